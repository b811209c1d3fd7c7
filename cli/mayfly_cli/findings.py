"""Findings of a check, and their table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mayfly.scrubbing import scrub

COLUMNS = 100


class Verdict(StrEnum):
    """The verdict on one subject. A subject that could not be read is unknown, never ok."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    """The command that repairs the subject, or what to do; empty if nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Takes the place of a value that could not be read; `reason` says why."""

    reason: str


def ok(subject: str, detail: str) -> Finding:
    """A finding without a problem."""
    return Finding(subject, Verdict.OK, detail)


def warning(subject: str, detail: str, remedy: str = "") -> Finding:
    """A finding of what works and should be changed all the same."""
    return Finding(subject, Verdict.WARNING, detail, remedy)


def wrong(subject: str, detail: str, remedy: str = "") -> Finding:
    """A finding of a problem that would make a deployment or a job fail."""
    return Finding(subject, Verdict.WRONG, detail, remedy)


def unknown(subject: str, detail: str, remedy: str = "") -> Finding:
    """A finding about a subject that could not be read."""
    return Finding(subject, Verdict.UNKNOWN, detail, remedy)


def wrapped(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many columns; words and addresses stay whole."""
    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)


def table(findings: Iterable[Finding]) -> str:
    """The findings as lines of at most COLUMNS characters; remedies stay whole, for pasting."""
    every = list(findings)
    widest = max((len(each.subject) for each in every), default=0)
    return "\n".join(line for each in every for line in _lines(each, widest))


def tally(findings: Iterable[Finding]) -> str:
    """The number of findings per verdict, as `12 ok, 1 wrong, 2 unknown`; no line of 0 warnings."""
    every = [each.verdict for each in findings]
    told = [each for each in Verdict if each is not Verdict.WARNING or each in every]
    return ", ".join(f"{every.count(verdict)} {verdict}" for verdict in told)


def _lines(finding: Finding, widest: int) -> Iterator[str]:
    margin = widest + 11
    # A detail may quote what Buildkite or AWS said.
    first, *rest = wrapped(scrub(finding.detail), COLUMNS - margin) or [""]
    yield f"{finding.subject:{widest}}  {finding.verdict:7}  {first}".rstrip()
    for line in rest:
        yield " " * margin + line
    for line in finding.remedy.splitlines():
        yield f"    -> {line}"
