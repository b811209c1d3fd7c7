"""Schedules against the clocks of many zones: which count is in force, and when it changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mayfly.config.schedule import Schedule
from mayfly.config.schedule_text import parse_schedule

MOMENT = timedelta(seconds=1)
"""Less than any window of these tests."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def changes(schedule: Schedule, start: datetime, days: float) -> list[str]:
    """The changes of the count within these days, in UTC."""
    found: list[str] = []
    now = schedule.next_change(start)
    while now is not None and now < start + timedelta(days=days):
        found.append(f"{now:%m-%dT%H:%M}" if now.second == 0 else now.isoformat())
        before, after = schedule.value(now - MOMENT), schedule.value(now)
        assert before != after, f"the count stays {after} at {now}"
        now = schedule.next_change(now)
    return found


# A count is put in force and out of force alternately. Times are in UTC and of past years, whose
# rules do not change any more: zones with a gap and a fold of an hour or of half an hour, at night
# and at midnight, North and South; without any; whole days that do not exist; ends of years.
@pytest.mark.parametrize(
    ("window", "start", "expected"),
    [
        ("Sun 02:30-03:30 Europe/Berlin", "2025-03-29T12:00Z", "03-30T01:00 03-30T01:30"),
        (
            "Sun 02:15-02:45 Europe/Berlin",
            "2025-10-25T12:00Z",
            "10-26T00:15 10-26T00:45 10-26T01:15 10-26T01:45",
        ),
        ("Sun 00:30-01:30 Europe/London", "2025-03-29T12:00Z", "03-30T00:30 03-30T01:00"),
        (
            "Sun 00:30-01:30 Europe/Lisbon",
            "2025-10-25T12:00Z",
            "10-25T23:30 10-26T00:30 10-26T01:00 10-26T01:30",
        ),
        ("Sun 01:00-02:00 Europe/Dublin", "2025-03-29T12:00Z", ""),
        ("Sun 02:00-03:00 America/New_York", "2025-03-08T12:00Z", ""),
        ("Sat 22:00-02:00 America/New_York", "2025-11-01T12:00Z", "11-02T02:00 11-02T07:00"),
        (
            "Sun 01:30-02:00 America/Los_Angeles",
            "2025-11-01T12:00Z",
            "11-02T08:30 11-02T09:00 11-02T09:30 11-02T10:00",
        ),
        ("Sun 01:30-03:30 America/St_Johns", "2025-03-08T12:00Z", "03-09T05:00 03-09T06:00"),
        ("Sun 02:00-03:00 America/Phoenix", "2025-03-08T12:00Z", "03-09T09:00 03-09T10:00"),
        ("Sun America/Havana", "2025-03-08T12:00Z", "03-09T05:00 03-10T04:00"),
        ("Sun America/Havana", "2025-11-01T12:00Z", "11-02T04:00 11-03T05:00"),
        ("Fri Africa/Cairo", "2025-04-24T00:00Z", "04-24T22:00 04-25T21:00"),
        (
            "Thu 23:30-24:00 Africa/Cairo",
            "2025-10-30T00:00Z",
            "10-30T20:30 10-30T21:00 10-30T21:30 10-30T22:00",
        ),
        ("Sat 23:30-00:30 Asia/Beirut", "2025-03-29T00:00Z", "03-29T21:30 03-29T22:00"),
        ("Sun 00:00-01:30 America/Santiago", "2025-09-06T00:00Z", "09-07T04:00 09-07T04:30"),
        ("Sat America/Santiago", "2025-04-04T12:00Z", "04-05T03:00 04-06T04:00"),
        ("Sun 00:00-02:00 America/Sao_Paulo", "2018-11-03T12:00Z", "11-04T03:00 11-04T04:00"),
        ("Sun 02:00-02:30 Australia/Lord_Howe", "2025-10-04T00:00Z", ""),
        (
            "Sun 01:45-02:00 Australia/Lord_Howe",
            "2025-04-05T00:00Z",
            "04-05T14:45 04-05T15:00 04-05T15:15 04-05T15:30",
        ),
        ("Sun 02:00-03:30 Australia/Sydney", "2025-10-04T00:00Z", "10-04T16:00 10-04T16:30"),
        (
            "Sun 02:30-03:00 Australia/Adelaide",
            "2025-04-05T00:00Z",
            "04-05T16:00 04-05T16:30 04-05T17:00 04-05T17:30",
        ),
        ("Sun 01:00-04:00 Pacific/Auckland", "2025-09-27T00:00Z", "09-27T13:00 09-27T15:00"),
        ("Sun 02:00-04:00 Pacific/Chatham", "2025-09-27T00:00Z", "09-27T13:15 09-27T14:15"),
        (
            "Sun 03:00-03:15 Pacific/Chatham",
            "2025-04-05T00:00Z",
            "04-05T13:15 04-05T13:30 04-05T14:15 04-05T14:30",
        ),
        (
            "Sun 02:30-03:00 Africa/Casablanca",
            "2025-02-22T12:00Z",
            "02-23T01:30 02-23T02:00 02-23T02:30 02-23T03:00",
        ),
        ("Sun 01:00-04:00 Africa/Casablanca", "2025-04-05T12:00Z", "04-06T01:00 04-06T03:00"),
        ("Sat 08:00-12:00 Asia/Tehran", "2025-03-21T12:00Z", "03-22T04:30 03-22T08:30"),
        ("Mon 09:00-09:30 Asia/Kolkata", "2025-03-09T00:00Z", "03-10T03:30 03-10T04:00"),
        ("Mon Asia/Kathmandu", "2025-03-09T00:00Z", "03-09T18:15 03-10T18:15"),
        ("2025-12-31..2026-01-01 Asia/Tokyo", "2025-12-29T12:00Z", "12-30T15:00 01-01T15:00"),
        ("2026-01-01 Pacific/Kiritimati", "2025-12-30T12:00Z", "12-31T10:00 01-01T10:00"),
        ("2026-01-01 23:00-01:00 Etc/GMT+12", "2025-12-31T12:00Z", "01-02T11:00 01-02T13:00"),
        ("2011-12-30 Pacific/Apia", "2011-12-28T12:00Z", ""),
    ],
)
def test_a_window_is_in_force_while_the_clock_shows_it(
    window: str, start: str, expected: str
) -> None:
    schedule, days = parse_schedule(f"1; {window} = 7"), 3.5 if "-01-01" in window else 2.5
    assert schedule.value(at(start)) == 1
    assert changes(schedule, at(start), days) == expected.split()


WORK = "2; Mon-Fri 08:00-18:00 Europe/Berlin = 10; Sat = 4; until 2026-12-01T15:00Z = 20"


@pytest.mark.parametrize(
    ("text", "now", "value", "reason", "change"),
    [
        ("3", "2026-12-01T00:00Z", 3, "default", None),
        (WORK, "2026-12-01T14:59:59Z", 20, "until 2026-12-01T15:00Z", "2026-12-01T15:00Z"),
        (
            *(WORK, "2026-12-01T15:00Z", 10),
            *("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-12-01T17:00Z"),
        ),
        (WORK, "2026-12-04T17:00Z", 2, "default", "2026-12-05T00:00Z"),
        (WORK, "2026-12-05T23:59:59.9Z", 4, "Sat UTC", "2026-12-06T00:00Z"),
        ("2; until 2026-12-01T15:00Z = 20", "2026-12-01T15:00Z", 2, "default", None),
        ("2; until 2026-12-01T15:00Z = 2", "2026-12-01T00:00Z", 2, "until 2026-12-01T15:00Z", None),
        ("2; 2026-12-24 = 0", "2026-12-25T00:00Z", 2, "default", None),
        ("2; Mon = 2", "2026-12-01T00:00Z", 2, "default", None),
        ("2; Mon = 3; Mon-Sun = 4", "2026-12-01T00:00Z", 4, "Mon-Sun UTC", None),
        # Later entries win: the change from one entry to the next of the same count is none.
        (
            *("2; 08:00-12:00 = 5; 10:00-14:00 = 5", "2026-12-01T09:00Z", 5),
            *("Mon-Sun 08:00-12:00 UTC", "2026-12-01T14:00Z"),
        ),
        (
            *("2; 08:00-18:00 = 5; 12:00-13:00 = 2", "2026-12-01T09:00Z", 5),
            *("Mon-Sun 08:00-18:00 UTC", "2026-12-01T12:00Z"),
        ),
        # What an earlier entry does behind a later one is no change.
        (
            *("2; Mon = 9; until 2027-03-01T12:00Z = 2", "2026-12-01T00:00Z", 2),
            *("until 2027-03-01T12:00Z", "2027-03-01T12:00Z"),
        ),
        ("2; 2093-05-05 = 9", "2026-12-01T00:00Z", 2, "default", "2093-05-05T00:00Z"),
        (
            *("2; Mon = 2; 2093-05-05 = 9; 2093-05-05 00:00-24:00 = 2; 2094-05-05 = 9",),
            *("2026-12-01T00:00Z", 2, "default", "2094-05-05T00:00Z"),
        ),
        # The summer's hour shows only while clocks are put forward, five months from now.
        (
            *("2; 02:00-03:00 Europe/Berlin = 4; 01:00-02:00 UTC = 2", "2025-11-01T00:00Z", 2),
            *("default", "2026-03-30T00:00Z"),
        ),
    ],
)
def test_the_last_entry_in_force_gives_count_and_reason(
    text: str, now: str, value: int, reason: str, change: str | None
) -> None:
    found = parse_schedule(text).target(at(now))
    assert (found.value, found.reason) == (value, reason)
    assert found.next_change == (at(change) if change is not None else None)


def test_the_most_of_a_schedule_is_its_largest_count() -> None:
    assert parse_schedule(WORK).most == 20
    assert parse_schedule("3; Mon = 1").most == 3


def test_a_change_keeps_its_time_through_the_day_before_it() -> None:
    schedule = parse_schedule("2; Mon 09:00-10:00 Asia/Kolkata = 3")
    start = at("2026-12-06T00:00Z")
    found = {schedule.next_change(start + n * timedelta(minutes=7)) for n in range(180)}
    assert found == {at("2026-12-07T03:30Z")}
