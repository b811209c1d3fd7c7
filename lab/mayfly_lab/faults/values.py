"""Kinds of values of switches, with their parsers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mayfly_lab.faults.durations import parse_seconds, parse_signed_seconds
from mayfly_lab.faults.syntax import FaultSyntaxError

_BUCKET = re.compile(r"([1-9]\d*)/(\d+(?:\.\d+)?)")
_CODE = re.compile(r"[A-Za-z][A-Za-z.]*")


@dataclass(frozen=True, slots=True)
class Value:
    """One kind of value. `read` parses the text, and raises FaultSyntaxError for a wrong one."""

    read: Callable[[str], object]
    needed: bool = True


def bucket(text: str) -> tuple[int, float]:
    """Size of a token bucket and its tokens per second, from text such as `5/0.5`.

    Raises:
        FaultSyntaxError: the text is not SIZE/PER_SECOND.
    """
    match = _BUCKET.fullmatch(text)
    if match is None:
        raise FaultSyntaxError(f"not a bucket: {text!r} (SIZE/PER_SECOND, try 5/0.5)")
    return int(match[1]), float(match[2])


def _status(text: str) -> int:
    if not text.isdigit() or not 400 <= int(text) <= 599:
        raise FaultSyntaxError(f"not an HTTP status of an error: {text!r} (try 429 or 503)")
    return int(text)


def _code(text: str) -> str:
    if not _CODE.fullmatch(text):
        raise FaultSyntaxError(f"not an error code of AWS: {text!r} (try InternalError)")
    return text


def _number(text: str) -> int:
    if not text.isdigit():
        raise FaultSyntaxError(f"not a number: {text!r}")
    return int(text)


SECONDS = Value(parse_seconds)
SECONDS_IF_ANY = Value(parse_seconds, needed=False)
SKEW = Value(parse_signed_seconds)
BUCKET = Value(bucket)
STATUS = Value(_status)
STATUS_IF_ANY = Value(_status, needed=False)
CODE_IF_ANY = Value(_code, needed=False)
NUMBER = Value(_number)
