"""The supervisor's one clock; all code that waits or measures time gets it as an argument."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from mayfly_protocol.moments import checked


class Clock:
    """Wall time, monotonic time and sleep."""

    def now(self) -> datetime:
        """Wall time, aware, in UTC: for signatures and reports."""
        return datetime.now(timezone.utc)

    def seconds(self) -> float:
        """Seconds of a monotonic clock: for deadlines."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds."""
        time.sleep(seconds)


def parse_time(text: str) -> datetime | None:
    """The time of an ISO 8601 text, UTC without an offset; None for a text or time without use.

    Without use are times that `mayfly_protocol.moments.checked` refuses.
    """
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return checked(found if found.tzinfo else found.replace(tzinfo=timezone.utc))
    except ValueError:
        return None
