"""The edge of an invocation: where time comes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Edge:
    """The clock, the wait between two ticks, and the time when the invocation must end."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    stop_at: datetime

    def wait(self, started: datetime, pace: timedelta) -> bool:
        """Wait until `pace` after `started`. False, without waiting, when `stop_at` comes first."""
        now = self.clock()
        due = started + pace
        if max(due, now) >= self.stop_at:
            return False
        if due > now:
            self.sleep((due - now).total_seconds())
        return True


@dataclass(slots=True)
class Timer:
    """A timer that is due at once, and then at most once per `interval`."""

    interval: timedelta
    at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether the timer is due. A due timer is set to `interval` after `now`."""
        if self.at is not None and now < self.at:
            return False
        self.at = now + self.interval
        return True
