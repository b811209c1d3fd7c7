"""Policy rules: the lines that say which jobs a queue takes, their grammar and trusted keys.

A key is trusted only if Buildkite itself sets its variable for every job: these variables win over
the pipeline's own `env` (Buildkite's page on environment variables). A pipeline could set a
variable that Buildkite leaves absent, and a commit's author chooses values taken from the commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from unicodedata import category

from mayfly_protocol import rules
from mayfly_protocol.repository import owner_or_repository

KEYS: Mapping[str, str] = {
    "pipeline": "slugs of pipelines",
    "repository": "clone URLs; `/*` at the end stands for any repository of the owner",
    "branch": "branch names (or the tag, for a build of a tag); `*` stands for anything but `/`",
    "source": "build sources: `webhook`, `api`, `ui`, `trigger_job`, `schedule`",
    "fork": "`no` or `yes`: whether the build is for a pull request from another repository",
}
"""Keys of conditions with the meaning of their values, in the order of the canonical line."""

_UNVERIFIED = "builds by webhook take the value from a commit, and commit authors are not verified"
_OPTIONAL = "Buildkite does not set the variable for every job, so a pipeline could set it"
_CHOSEN = "the author of the pipeline or of the commit chooses the value"
REFUSED_KEYS: Mapping[str, str] = {
    "creator": _UNVERIFIED,
    "team": _UNVERIFIED,
    "teams": _UNVERIFIED,
    "email": _UNVERIFIED,
    "author": _UNVERIFIED,
    "unblocker": _OPTIONAL,
    "tag": f"{_OPTIONAL}; a build of a tag has the tag's name as its branch",
    "triggered-from": _OPTIONAL,
    "step": _CHOSEN,
    "label": _CHOSEN,
    "message": _CHOSEN,
    "commit": _CHOSEN,
}
"""Plausible keys that prove nothing, each with the reason."""

SOURCES = frozenset({"webhook", "api", "ui", "trigger_job", "schedule"})
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_BRANCH = re.compile(r"[^\s,~^?\[\\\x00-\x20\x7f]+")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters without a picture. Blanks are none of them, but for tabs."""
_JOINERS = "\t\u200c\u200d"
"""Names of branches may have joined letters and emoji."""
_PASSWORD = re.compile(r"//[^/@]*:[^/@]*@")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a rule: a job meets it when the job's value for `key` is in `values`."""

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """`key=value,value`."""
        return f"{self.key}={','.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: a job meets the rule when it meets every condition. One rule lets a job in."""

    name: str
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        if not self.conditions:
            raise ValueError("a rule without a condition would let everybody in")

    def __str__(self) -> str:
        """The canonical line, as sent to the host; equal rules give equal lines."""
        return rules.line(self.pairs())

    def pairs(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Key and values of each condition, as `mayfly_protocol.rules` takes them."""
        return tuple((each.key, each.values) for each in self.conditions)


UNREADABLE = Rule("unreadable", (Condition("pipeline", ()),))
"""Marks a policy that cannot be read at present, beside the rules that were read before.

No job meets this rule, so an older Mayfly denies by it. The rule is never sent to a host.
"""


def parse_rules(name: str, text: str) -> tuple[Rule, ...]:
    """The rules in the text of one parameter, one per line; empty lines are omitted.

    Raises ValueError with the line, the column and the word at fault, and for a text without rules.
    """
    rules = tuple(_rule(name, line, number) for number, line in numbered_lines(text))
    if not rules:
        # An empty text must not read as "no rules", which would mean "not restricted".
        raise ValueError("the text has no rule")
    return rules


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers from 1 on; empty lines are omitted.

    Raises ValueError with the place of a character that nobody sees.
    """
    # Not splitlines: a separator that nobody sees would make two lines, and one line is enough.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        for column, char in enumerate(line, 1):
            if _is_unseen(char):
                where = f"line {number}, column {column}"
                raise ValueError(f"{where}: U+{ord(char):04X}, a character that nobody sees")
        if line.strip():
            yield number, line


def conditions_of(line: str, number: int) -> dict[str, tuple[str, ...]]:
    """The values of a line's conditions, by key. Raises ValueError with the word at fault."""
    found: dict[str, tuple[str, ...]] = {}
    for word in re.finditer(r"\S+", line):
        where = f"line {number}, column {word.start() + 1}"
        try:
            key, values = _condition(word.group())
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if key in found:
            raise ValueError(f"{where}: {key} is given twice; write {key}=one,other")
        found[key] = values
    return found


def rule_of(name: str, found: Mapping[str, tuple[str, ...]]) -> Rule:
    """The rule with these conditions, in the order of the canonical line."""
    return Rule(name, tuple(Condition(key, found[key]) for key in KEYS if key in found))


def _rule(name: str, line: str, number: int) -> Rule:
    found = conditions_of(line, number)
    if "branch" in found:
        # A fork may have a branch of the same name: a branch alone would let every fork in.
        found.setdefault("fork", ("no",))
    return rule_of(name, found)


def _is_unseen(char: str) -> bool:
    """Whether a character has no picture: a control, half of a pair, a mark of format."""
    return category(char) in _UNSEEN and char not in _JOINERS


def _condition(word: str) -> tuple[str, tuple[str, ...]]:
    key, equals, text = word.partition("=")
    if key in REFUSED_KEYS:
        raise ValueError(f"{key} cannot be used: {REFUSED_KEYS[key]}")
    if not equals or key not in KEYS:
        raise ValueError(f"{word!r} is not key=value with a key of {', '.join(KEYS)}")
    values = tuple(sorted(set(text.split(","))))
    for value in values:
        _check(key, value)
    return key, values


def _check(key: str, value: str) -> None:
    """Raise ValueError unless a job could have this value for the key."""
    match key:
        case "pipeline":
            good = bool(SLUG.fullmatch(value))
        case "repository":
            good = not _PASSWORD.search(value) and owner_or_repository(value) is not None
        case "branch":
            good = bool(_BRANCH.fullmatch(value))
        case "source":
            good = value in SOURCES
        case _:
            good = value in {"no", "yes"}
    if not good:
        raise ValueError(f"{key}={value} is not one of: {KEYS[key]}")
