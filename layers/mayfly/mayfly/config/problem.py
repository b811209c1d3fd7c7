"""Why a parameter is not in force, told without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mayfly.scrubbing import scrub

_PASSWORD = re.compile(r"(?<=//)[^/@\s]*:[^/@\s]*(?=@)")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a parameter is not in force. `value` may be shown: it is cut, and without secrets."""

    parameter: str
    value: str
    allowed: str

    def __str__(self) -> str:
        """One line for the log, the alarm and the queue's record."""
        return f'{self.parameter} = "{self.value}": {self.allowed}'


def shown(text: str, most: int = 80) -> str:
    """At most so many characters of a text, in one line, without what could be a secret."""
    plain = _PASSWORD.sub("…", scrub(text))
    line = "".join(char if char.isprintable() else " " for char in plain)
    return line if len(line) <= most else f"{line[: most - 1]}…"
