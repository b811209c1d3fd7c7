"""What a job's command has written, line by line."""

from __future__ import annotations

import re

_STAMP = re.compile(r"\x1b_bk;t=\d+\x07|\x1b\[[0-9;]*m")
"""The agent's timestamps, and colours."""


def lines(log: str) -> list[str]:
    """Lines of a job's log without timestamps and colours.

    A log repeats the command before the output, so a test looks for whole lines, none of which may
    be one of the command.
    """
    return [_STAMP.sub("", line).strip() for line in log.splitlines()]


def values(log: str) -> dict[str, str]:
    """The lines `NAME=VALUE` of a log; of a name that stands there twice the first."""
    found: dict[str, str] = {}
    for line in lines(log):
        name, equals, value = line.partition("=")
        if equals and re.fullmatch(r"[\w.-]+", name):
            found.setdefault(name, value)
    return found
