"""The written list of what remains allowed, `remaining.yaml`, and what it covers.

An entry has five elements. `who` and `thing` are patterns of names of principals and things. `with`
is `nothing`, `any`, or the attached policies with which the right exists. `may` are patterns of
actions, and `read SERVICE` stands for all actions that only read (AWS's levels List and Read).
`because` is the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.security.principals import ATTACHMENTS, NOTHING
from tests.security.sweep import Right

LIST = Path(__file__).with_name("remaining.yaml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the list."""

    heading: str
    who: tuple[str, ...]
    attached: tuple[str, ...]
    may: tuple[str, ...]
    things: tuple[str, ...]
    because: str

    def covering(self, right: Right) -> frozenset[tuple[str, str]] | None:
        """The elements of the entry that cover the right; None if the entry does not."""
        attached = set(right.attached) & set(self.attached)
        if NOTHING not in attached and len(attached) < len(right.attached):
            return None
        who = next((p for p in self.who if _named(p, right.principal)), None)
        thing = who and next((p for p in self.things if _named(p, right.thing)), None)
        may = thing and next((p for p in self.may if _acts(p, right.action, right.level)), None)
        if who is None or thing is None or may is None:
            return None
        named = {("who", who), ("thing", thing), ("may", may)}
        return frozenset(named | {("with", each) for each in attached})

    @property
    def elements(self) -> frozenset[tuple[str, str]]:
        """Every element of the entry; each must be needed by a right."""
        lists = {"who": self.who, "may": self.may, "thing": self.things, "with": self.attached}
        return frozenset((name, each) for name, values in lists.items() for each in values)


@cache
def _named(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern)


@cache
def _acts(pattern: str, action: str, level: str) -> bool:
    if not pattern.startswith("read "):
        return fnmatchcase(action, pattern)
    service = action.partition(":")[0]
    return level in {"List", "Read"} and fnmatchcase(service, pattern.removeprefix("read "))


@cache
def entries() -> tuple[Entry, ...]:
    """The list, in its order."""
    written: Mapping[str, Sequence[Mapping[str, Any]]] = yaml.safe_load(LIST.read_text("utf-8"))
    return tuple(_entry(heading, each) for heading, group in written.items() for each in group)


def _entry(heading: str, written: Mapping[str, Any]) -> Entry:
    attached = written["with"]
    known = {"nothing": (NOTHING,), "any": ATTACHMENTS}
    return Entry(
        heading,
        tuple(written["who"]),
        known[attached] if isinstance(attached, str) else tuple(attached),
        tuple(written["may"]),
        tuple(written["thing"]),
        " ".join(written["because"].split()),
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The list against what the sweep found."""

    unlisted: tuple[Right, ...]
    unneeded: tuple[str, ...]
    """Elements of the list without a right, as text."""


def compared(rights: Iterable[Right], listed: Sequence[Entry]) -> Comparison:
    """Each right counts for the first entry that covers it."""
    needed: dict[int, set[tuple[str, str]]] = {at: set() for at in range(len(listed))}
    unlisted = []
    for right in rights:
        for at, entry in enumerate(listed):
            if (elements := entry.covering(right)) is not None:
                needed[at] |= elements
                break
        else:
            unlisted.append(right)
    return Comparison(tuple(unlisted), tuple(_unneeded(listed, needed)))


def _unneeded(listed: Sequence[Entry], needed: Mapping[int, set[tuple[str, str]]]) -> Iterator[str]:
    for at, entry in enumerate(listed):
        for name, value in sorted(entry.elements - needed[at]):
            yield f"{entry.heading}: {name} {value} ({entry.because[:40]})"
