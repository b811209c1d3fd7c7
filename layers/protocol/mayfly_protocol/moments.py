"""The text form of times in reports and on the console, and the times that others write."""

from __future__ import annotations

from datetime import datetime, timezone

EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)
LATEST = datetime(5000, 1, 1, tzinfo=timezone.utc)
"""No sum of a time before this and a duration of Mayfly leaves the calendar, which ends in 9999."""


def stamp(moment: datetime) -> str:
    """This time in UTC with milliseconds, as `2026-11-20T09:30:00.000Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"


def checked(moment: datetime) -> datetime:
    """The time in UTC. Raises ValueError for a time without a zone or outside 1970 to 4999.

    Where Python adds to a time at the end of its calendar, or changes the zone, it raises
    OverflowError: a time that somebody else wrote must be checked before.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"a time outside the years {EARLIEST.year} to {LATEST.year - 1}")
    return moment.astimezone(timezone.utc)


def read_moment(text: object, zone: timezone | None = None) -> datetime:
    """The time of an ISO 8601 text, as `checked` returns it. Raises TypeError, ValueError.

    `zone` is of a text that names none.
    """
    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__} in place of a time")
    # Python 3.9 knows no `Z`.
    found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return checked(found if found.tzinfo else found.replace(tzinfo=zone))
