"""Parses durations: `250ms`, `5s`, `2m`, or plain seconds."""

from __future__ import annotations

import re

from mayfly_lab.faults.syntax import FaultSyntaxError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


def parse_seconds(text: str) -> float:
    """Seconds of a duration such as `5`, `250ms`, `5s` or `2m`.

    Raises:
        FaultSyntaxError: the text is not a duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise FaultSyntaxError(f"not a duration: {text!r} (try 250ms, 5s or 2m)")
    return float(match[1]) * _UNITS[match[2]]


def parse_signed_seconds(text: str) -> float:
    """Seconds of a duration with an optional `-`, negative then.

    Raises:
        FaultSyntaxError: the text is not a duration.
    """
    return -parse_seconds(text[1:]) if text.startswith("-") else parse_seconds(text)
