"""Generated blocks of the documentation: what the code knows is written down once.

`python -m build.docs` names the documents that are stale and fails; with `--write` it renews them.
A block stands between `<!-- generated:NAME -->` and `<!-- /generated -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from mayfly.config import agent_settings, rules
from mayfly.config.parameters import ABOUT
from mayfly.records.states import CLAIM_STATES, INSTANCE_STATES, LAUNCH_STATES
from mayfly_lab.faults.table import SWITCHES
from mayfly_lab.kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "docs/lab.md", "docs/operating.md")

_BLOCK = re.compile(
    r"(?P<start><!-- generated:(?P<name>[a-z-]+) -->\n)(?P<body>.*?)(?P<end><!-- /generated -->)",
    re.DOTALL,
)
_MARKER = re.compile(r"<!-- /?generated")


class BadMarkers(Exception):
    """A document's markers do not pair, or name no block."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(each)} |" for each in cells)


def parameters() -> str:
    """Every parameter of a queue, from the model that reads them."""
    return table(
        ("parameter", "what it is", "allowed", "default"),
        (
            (f"`{about.name}`", about.meaning, about.allowed, about.default)
            for about in ABOUT.values()
        ),
    )


class Traits(Protocol):
    """The row of a state."""

    @property
    def edges(self) -> Mapping[Any, str]:
        """The states that may follow, each with its cause."""


class Lasting(Protocol):
    """The row of a state that may have a deadline."""

    @property
    def deadline(self) -> timedelta | None:
        """How long the state may last."""


def diagram(states: Mapping[Any, Traits]) -> str:
    """A state diagram for Mermaid; the causes stand in `edges`."""
    first = next(iter(states))
    arrows = [f"    [*] --> {first}"]
    for old, traits in states.items():
        arrows.extend(f"    {old} --> {new}" for new in traits.edges)
        if not traits.edges:
            arrows.append(f"    {old} --> [*]")
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def edges(states: Mapping[Any, Traits]) -> str:
    """Every edge and its cause."""
    return table(
        ("from", "to", "because"),
        (
            (f"`{old}`", f"`{new}`", cause)
            for old, traits in states.items()
            for new, cause in traits.edges.items()
        ),
    )


def deadlines() -> str:
    """How long each state may last."""
    records = (*_deadlines("claim", CLAIM_STATES), *_deadlines("instance", INSTANCE_STATES))
    return table(("record", "state", "at most"), records)


def _deadlines(record: str, states: Mapping[Any, Lasting]) -> Iterator[tuple[str, str, str]]:
    for state, traits in states.items():
        if traits.deadline is not None:
            yield record, f"`{state}`", _minutes(traits.deadline)


def _minutes(limit: timedelta) -> str:
    return f"{limit / timedelta(minutes=1):g} min"


def trusted_keys() -> str:
    """Keys of policy rules."""
    return table(("key", "values"), ((f"`{key}`", what) for key, what in rules.KEYS.items()))


def refused_keys() -> str:
    """Keys that policy rules cannot have, by reason."""
    return _by_reason(("not a key", "why"), rules.REFUSED_KEYS)


def refused_settings() -> str:
    """Settings of the agent that cannot be set, by reason."""
    return _by_reason(("cannot be set", "why"), agent_settings.REFUSED)


def allowed_settings() -> str:
    """Settings of the agent that can be set."""
    return ", ".join(f"`{name}`" for name in sorted(agent_settings.ALLOWED))


def kinds_of_job() -> str:
    """The kinds of job of the end-to-end tests, and which agent runs them."""
    return table(
        ("kind of job", "real agent", "stand-in"),
        (
            (kind.story, "yes", f"no: {kind.stand_in}" if kind.stand_in else "yes")
            for kind in KINDS.values()
        ),
    )


def faults() -> str:
    """The faults of the lab, as its commands take them."""
    return table(
        ("example", "what happens", "target"),
        ((f"`{name}={each.example}`", each.meaning, each.part) for name, each in SWITCHES.items()),
    )


def _by_reason(head: Iterable[str], reasons: Mapping[str, str]) -> str:
    grouped: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        grouped.setdefault(reason, []).append(f"`{name}`")
    return table(head, ((", ".join(names), reason) for reason, names in grouped.items()))


BLOCKS: Mapping[str, Callable[[], str]] = {
    "parameters": parameters,
    "policy-keys": trusted_keys,
    "policy-refused-keys": refused_keys,
    "agent-settings": allowed_settings,
    "agent-refused-settings": refused_settings,
    "claim-diagram": lambda: diagram(CLAIM_STATES),
    "claim-edges": lambda: edges(CLAIM_STATES),
    "instance-diagram": lambda: diagram(INSTANCE_STATES),
    "instance-edges": lambda: edges(INSTANCE_STATES),
    "launch-edges": lambda: edges(LAUNCH_STATES),
    "deadlines": deadlines,
    "kinds-of-job": kinds_of_job,
    "faults": faults,
}


def renewed(text: str) -> str:
    """The document with every block as it must be. Raises BadMarkers."""
    found = list(_BLOCK.finditer(text))
    if len(_MARKER.findall(text)) != 2 * len(found):
        raise BadMarkers("markers do not pair: <!-- generated:NAME --> … <!-- /generated -->")
    unknown = {match["name"] for match in found} - BLOCKS.keys()
    if unknown:
        raise BadMarkers(f"there is no block {', '.join(sorted(unknown))}: {', '.join(BLOCKS)}")
    return _BLOCK.sub(
        lambda match: f"{match['start']}\n{BLOCKS[match['name']]()}\n\n{match['end']}", text
    )


def stale(root: Path, write: bool) -> list[str]:
    """The documents below `root` that were not as they must be; renewed if `write`."""
    names = []
    for name in DOCUMENTS:
        path = root / name
        old = path.read_text("utf-8")
        new = renewed(old)
        if new != old:
            names.append(name)
            if write:
                path.write_text(new, "utf-8")
    return names


def main() -> int:
    """0 when nothing was stale, or all was renewed."""
    parser = argparse.ArgumentParser(description="Generated blocks of the documentation.")
    parser.add_argument("--write", action="store_true", help="renew what is stale")
    write = parser.parse_args().write
    names = stale(ROOT, write)
    for name in names:
        sys.stderr.write(
            f"{name}: {'renewed' if write else 'stale, run python -m build.docs --write'}\n"
        )
    return 1 if names and not write else 0


if __name__ == "__main__":
    sys.exit(main())
