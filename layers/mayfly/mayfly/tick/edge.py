"""The edge of an invocation: where time comes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Edge:
    """Where time comes in: the clock, the wait between two ticks, and the end of the invocation."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    stop_at: datetime

    def wait(self, started: datetime, pace: timedelta) -> bool:
        """Wait until `pace` after `started`; False when the invocation's time is over first."""
        now = self.clock()
        due = started + pace
        if max(due, now) >= self.stop_at:
            return False
        if due > now:
            self.sleep((due - now).total_seconds())
        return True


@dataclass(slots=True)
class Every:
    """What is due at once, and then at most once in `interval`."""

    interval: timedelta
    at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether it is time; if so, the next time is `interval` from now."""
        if self.at is not None and now < self.at:
            return False
        self.at = now + self.interval
        return True
