"""Reasons why a parameter is not in force, without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mayfly.scrubbing import scrub

_PASSWORD = re.compile(r"(?<=//)[^/@\s]*:[^/@\s]*(?=@)")


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why a parameter is not in force."""

    parameter: str
    value: str | None
    """Cut and scrubbed: safe to show. None where the value of the name may be a secret."""
    allowed: str

    def __str__(self) -> str:
        """One line for the log, the alarm and the queue's record."""
        value = "" if self.value is None else f' = "{self.value}"'
        return f"{self.parameter}{value}: {self.allowed}"


def printable(text: str, most: int = 80) -> str:
    """The text in one line of at most `most` characters, without possible secrets."""
    plain = _PASSWORD.sub("…", scrub(text))
    line = "".join(char if char.isprintable() else " " for char in plain)
    return line if len(line) <= most else f"{line[: most - 1]}…"
