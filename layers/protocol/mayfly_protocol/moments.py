"""The text form of times in reports and on the console."""

from __future__ import annotations

from datetime import datetime, timezone


def stamp(moment: datetime) -> str:
    """This time in UTC with milliseconds, as `2026-11-20T09:30:00.000Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"
