"""Logs of jobs on a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

_TIMES = re.compile(r"\x1b_bk;t=\d+\x07")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|_[^\x07]*\x07|[@-Z\\^])")
_OTHERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
TAIL = 12
"""Lines of a log's end in a report."""
_LONGEST = 300
"""Characters of a line in a report."""
_GROUPS = ("~~~ ", "--- ", "+++ ")
CHECKOUT = "~~~ Preparing working directory"
"""The agent's heading of the checkout."""


class Logs(StrEnum):
    """Which jobs' logs are printed when a job ends."""

    ALL = "all"
    FAILED = "failed"
    NONE = "none"


def readable(log: bytes) -> list[str]:
    """Lines of a job's log as a terminal shows them: no time codes, colours or overwritten text."""
    text = _ESCAPES.sub("", _TIMES.sub("", log.decode(errors="replace")))
    ends = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    lines = [_OTHERS.sub("", line) for line in ends]
    return lines[:-1] if lines[-1] == "" else lines


def tail(log: bytes) -> tuple[str, ...]:
    """The last lines of a job's log that say something, each cut to a report's width."""
    said = [line for line in readable(log) if line.strip()]
    return tuple(line[:_LONGEST] for line in said[-TAIL:])


def without_git(lines: Sequence[str], *, whole: bool = False) -> list[str]:
    """The lines of a log, with the number of git's lines in place of those during the checkout.

    `whole` keeps git's lines where no group follows: the job may have failed in the checkout.
    """
    kept: list[str] = []
    folded: list[str] | None = None
    for line in lines:
        if line.startswith(_GROUPS):
            kept += _told(folded)
            folded = [] if line.startswith(CHECKOUT) else None
            kept.append(line)
        elif folded is None:
            kept.append(line)
        else:
            folded.append(line)
    return kept + (folded or [] if whole else _told(folded))


def _told(folded: Sequence[str] | None) -> list[str]:
    return [f"({len(folded)} lines of git)"] if folded else []
