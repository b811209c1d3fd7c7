"""The verdicts that the instance writes to its console, and those that are made outside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mayfly_cli.check_image.on_instance.order import FIRST_BOOT, SECOND_BOOT, THIRD_BOOT
from mayfly_cli.ends import WELL, WRONG

_LINE = re.compile(r"mayfly-check\|(ok|bad|skip|fact|ready)\|([a-z0-9-]+)\|([ -~]*)")
BUTTON, KILLED = "power-button", "supervisor-killed"
EXPECTED = (
    *(*FIRST_BOOT, *SECOND_BOOT, *THIRD_BOOT),
    KILLED,
)
"""Every scenario, in the order of the verdicts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the instance."""

    word: str
    """`ok`, `bad`, `skip`, or `fact` for what is neither good nor bad; `ready` asks for an act."""
    scenario: str
    text: str


@dataclass(slots=True)
class Verdicts:
    """The verdicts so far. The console keeps the last 64 KB only, and repeats what it showed."""

    seen: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    def read(self, console: str) -> list[Verdict]:
        """The verdicts of a console that were not seen before, in their order."""
        new = []
        for word, scenario, text in _LINE.findall(console):
            if (word, scenario) not in self.seen:
                found = Verdict(word, scenario, text.strip())
                self.seen[word, scenario] = found
                new.append(found)
        return new

    def add(self, verdict: Verdict) -> Verdict:
        """Note a verdict that was made outside."""
        self.seen[verdict.word, verdict.scenario] = verdict
        return verdict

    def asks(self, scenario: str) -> bool:
        """Whether the instance is ready for what somebody outside must do."""
        return ("ready", scenario) in self.seen

    def missing(self) -> Iterable[Verdict]:
        """A bad verdict for each scenario of which nothing was heard: no silence is a success."""
        told = {scenario for word, scenario in self.seen if word in {"ok", "bad", "skip"}}
        for scenario in EXPECTED:
            if scenario not in told:
                yield Verdict("bad", scenario, "no verdict came from the instance")

    def summary(self) -> tuple[str, int]:
        """The last line, and the exit status."""
        count = dict.fromkeys(("ok", "bad", "skip"), 0)
        for word, _ in self.seen:
            count[word] = count.get(word, 0) + 1
        line = f"{count['ok']} ok, {count['bad']} bad, {count['skip']} skipped"
        return line, WRONG if count["bad"] else WELL
