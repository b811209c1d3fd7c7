"""The supervisor's one clock; all code that waits or measures time gets it as an argument."""

from __future__ import annotations

import select
import time
from datetime import datetime, timezone
from typing import Callable

from mayfly_protocol.moments import read_moment

SLICE = 5.0
"""Seconds. No wait of the supervisor lasts longer without a look at its watchdog."""


class Clock:
    """Wall time, monotonic time and sleep.

    `feed` gets the monotonic time at each turn of a loop that waits (see watchdog.py).
    """

    def __init__(self, feed: Callable[[float], object] = lambda _: None) -> None:
        self._feed = feed

    def now(self) -> datetime:
        """Wall time, aware, in UTC: for signatures and reports."""
        return datetime.now(timezone.utc)

    def seconds(self) -> float:
        """Seconds of a monotonic clock: for deadlines."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds. Every loop of the supervisor waits here."""
        until = self.seconds() + seconds
        while True:
            self.turned()
            left = until - self.seconds()
            time.sleep(max(0.0, min(left, SLICE)))
            if left <= SLICE:
                return

    def wait(self, change: select.poll, seconds: float) -> None:
        """Sleep for so many seconds, at most SLICE, or until one of the files has changed."""
        self.turned()
        change.poll(min(seconds, SLICE) * 1000)

    def of_a_thread(self) -> Clock:
        """A clock for a thread beside the supervisor's loop: it feeds nothing (see watchdog.py)."""
        return Clock()

    def turned(self) -> None:
        """Note that a loop which waits elsewhere turned."""
        self._feed(self.seconds())


def parse_time(text: str) -> datetime | None:
    """The time of an ISO 8601 text, UTC without an offset; None for a text or time without use.

    Without use are times that `mayfly_protocol.moments.checked` refuses.
    """
    try:
        return read_moment(text, timezone.utc)
    except ValueError:
        return None
