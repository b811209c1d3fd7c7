"""What a check found, and how it is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

COLUMNS = 100


class Verdict(StrEnum):
    """What is known of a thing. What could not be looked at is unknown, and never ok."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a table."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    """The command that mends it, or what to do."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """In the place of what could not be seen: why."""

    reason: str


def ok(subject: str, detail: str) -> Finding:
    """All is well."""
    return Finding(subject, Verdict.OK, detail)


def wrong(subject: str, detail: str, remedy: str = "") -> Finding:
    """It would go wrong."""
    return Finding(subject, Verdict.WRONG, detail, remedy)


def unknown(subject: str, detail: str, remedy: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(subject, Verdict.UNKNOWN, detail, remedy)


def table(findings: Iterable[Finding]) -> str:
    """The findings as lines of at most COLUMNS characters; remedies stand whole, to be pasted."""
    every = list(findings)
    widest = max((len(each.subject) for each in every), default=0)
    return "\n".join(line for each in every for line in _lines(each, widest))


def tally(findings: Iterable[Finding]) -> str:
    """How many there are of each verdict, as `12 ok, 1 wrong, 2 unknown`."""
    every = [each.verdict for each in findings]
    return ", ".join(f"{every.count(verdict)} {verdict}" for verdict in Verdict)


def _lines(finding: Finding, widest: int) -> Iterator[str]:
    margin = widest + 11
    first, *rest = textwrap.wrap(finding.detail, COLUMNS - margin) or [""]
    yield f"{finding.subject:{widest}}  {finding.verdict:7}  {first}".rstrip()
    for line in rest:
        yield " " * margin + line
    for line in finding.remedy.splitlines():
        yield f"    -> {line}"
