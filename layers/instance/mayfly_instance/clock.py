"""The one clock of the supervisor, passed to whatever waits or measures."""

from __future__ import annotations

import time
from datetime import datetime, timezone


class Clock:
    """Time as the host sees it."""

    def now(self) -> datetime:
        """Wall time, aware, UTC: for signatures and reports."""
        return datetime.now(timezone.utc)

    def seconds(self) -> float:
        """Seconds of a clock that nobody sets: for waiting."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def moment(text: str) -> datetime | None:
    """The aware moment that an ISO 8601 text names; None when it names none."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
