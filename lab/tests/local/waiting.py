"""Waiting for effects of other threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(what: Callable[[], T], *, within: float = 30.0) -> T:
    """Wait until `what` returns a true value. Returns that value."""
    until = time.monotonic() + within
    while not (value := what()):
        assert time.monotonic() < until, f"did not come true within {within} s"
        time.sleep(0.005)
    return value
