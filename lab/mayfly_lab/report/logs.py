"""Logs of jobs on a terminal."""

from __future__ import annotations

import re
from enum import StrEnum

_TIMES = re.compile(r"\x1b_bk;t=\d+\x07")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|_[^\x07]*\x07|[@-Z\\^])")
_OTHERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


TAIL = 12
"""Lines of a log's end in a report."""
_LONGEST = 300
"""Characters of a line in a report."""


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
