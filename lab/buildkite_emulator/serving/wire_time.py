"""Times in Buildkite's wire format."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """A time in UTC with milliseconds and a Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(moment: datetime | None) -> str | None:
    """A time as `iso` writes it; None for None."""
    return None if moment is None else iso(moment)


def parse(text: str) -> datetime | None:
    """An ISO 8601 time with a time zone, UTC by default; None for other text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
