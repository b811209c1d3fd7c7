"""Waiting for what happens on another thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(what: Callable[[], T], *, within: float = 30.0) -> T:
    """Wait until `what` is true, and give its value."""
    until = time.monotonic() + within
    while not (value := what()):
        assert time.monotonic() < until, f"did not come true within {within} s"
        time.sleep(0.005)
    return value
