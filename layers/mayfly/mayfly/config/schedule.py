"""Counts that follow the clock: a default, and entries for windows of the week, dates, and a while.

`config.schedule_text` reads what operators write. Windows are times of the wall clock of a zone: a
window is in force whenever a clock there shows a time within it. A time that the clock skips is
never in force, and a time that the clock shows twice is in force twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import TypeAlias

from mayfly.config.zones import zone
from mayfly.records.standing import Target

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = timedelta(days=1)
_WEEK_AND_DAY = 8 * _DAY
_YEAR = 400 * _DAY
"""Longer than a year: within it each zone has shown all of its offsets."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """Days of every week."""

    days: frozenset[int]
    """Monday is 0, as in `date.weekday`."""

    def __contains__(self, day: date) -> bool:
        """Whether the day is one of these days of the week."""
        return day.weekday() in self.days

    def __str__(self) -> str:
        """The days as an operator writes them: `Mon-Fri`, `Mon,Wed`; `Mon-Sun` for all."""
        runs = _runs(sorted(self.days))
        return ",".join(_range(DAYS[first], DAYS[last], "-") for first, last in runs)


@dataclass(frozen=True, slots=True)
class Dates:
    """Days of the calendar, as ranges of a first and a last date."""

    ranges: tuple[tuple[date, date], ...]

    def __contains__(self, day: date) -> bool:
        """Whether one of the ranges has the day."""
        return any(first <= day <= last for first, last in self.ranges)

    def __str__(self) -> str:
        """The days as an operator writes them: `2026-12-24..2026-12-26,2027-01-01`."""
        ranges = ((str(first), str(last)) for first, last in self.ranges)
        return ",".join(_range(first, last, "..") for first, last in ranges)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of each of these days, by the wall clock of a zone.

    A window whose end is not later than its start lasts into the next day.
    """

    days: Weekly | Dates
    zone: str
    start: time = time(0)
    end: time = time(0)

    @property
    def is_whole_day(self) -> bool:
        """Whether the window lasts from midnight to midnight."""
        return self.start == self.end == time(0)

    def covers(self, now: datetime) -> bool:
        """Whether a clock of the zone shows a time within the window."""
        local = now.astimezone(zone(self.zone))
        clock, today = local.time(), local.date()
        if self.start < self.end:
            return self.start <= clock < self.end and today in self.days
        if clock >= self.start:
            return today in self.days
        return clock < self.end and today - _DAY in self.days

    def __str__(self) -> str:
        """The window as an operator writes it: `Mon-Fri 08:00-18:00 Europe/Berlin`."""
        end = "24:00" if self.end == time(0) else f"{self.end:%H:%M}"
        times = "" if self.is_whole_day else f" {self.start:%H:%M}-{end}"
        return f"{self.days}{times} {self.zone}"


@dataclass(frozen=True, slots=True)
class Until:
    """All time before an instant."""

    end: datetime

    def covers(self, now: datetime) -> bool:
        """Whether the instant is still to come."""
        return now < self.end

    def __str__(self) -> str:
        """The end in UTC, as an operator writes it: `until 2026-12-01T15:00Z`."""
        form = "%Y-%m-%dT%H:%M:%SZ" if self.end.second else "%Y-%m-%dT%H:%MZ"
        return f"until {self.end:{form}}"


When: TypeAlias = Window | Until


@dataclass(frozen=True, slots=True)
class Entry:
    """A count, and when it is in force."""

    when: When
    count: int

    def __str__(self) -> str:
        """The entry as an operator writes it."""
        return f"{self.when} = {self.count}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A default count, and entries of which the last one in force decides."""

    default: int = 0
    entries: tuple[Entry, ...] = ()

    @property
    def most(self) -> int:
        """The largest count that the schedule ever has."""
        return max((self.default, *(entry.count for entry in self.entries)))

    def value(self, now: datetime) -> int:
        """The count in force at `now`."""
        entry = self._entry(now)
        return entry.count if entry is not None else self.default

    def target(self, now: datetime) -> Target:
        """The count in force at `now`, its reason, and when the count changes next.

        The reason is an entry, as `Mon-Fri 08:00-18:00 Europe/Berlin`; `default` without one.
        """
        entry = self._entry(now)
        reason = str(entry.when) if entry is not None else "default"
        return Target(self.value(now), reason, self.next_change(now))

    def next_change(self, now: datetime) -> datetime | None:
        """The first instant after `now` with another count; None when there is none."""
        present = self._alive(now.astimezone(UTC))
        if all(entry.count == present.default for entry in present.entries):
            return None
        count = present.value(now)
        # What a search found holds for the whole day: the next tick asks a second later.
        start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for at, other in _changes_of_day(present, start):
            if at > now and other != count:
                return at
        return _first_other(present, start + _DAY, count)

    def _entry(self, now: datetime) -> Entry | None:
        return next((each for each in reversed(self.entries) if each.when.covers(now)), None)

    def _alive(self, now: datetime) -> Schedule:
        """The schedule without the entries that are over for good."""
        return replace(self, entries=tuple(e for e in self.entries if _is_alive(e.when, now)))

    def __str__(self) -> str:
        """The schedule as an operator writes it, and as records hold it."""
        return "; ".join(map(str, (self.default, *self.entries)))


def _is_alive(when: When, now: datetime) -> bool:
    if isinstance(when, Until):
        return now < when.end
    if isinstance(when.days, Weekly):
        return True
    # The last window may end on the day after, and the day may lag behind UTC's.
    return now.date() <= max(last for _, last in when.days.ranges) + 3 * _DAY


@lru_cache(maxsize=1024)
def _changes_of_day(schedule: Schedule, start: datetime) -> tuple[tuple[datetime, int], ...]:
    """Instants of a day in UTC at which the count may change, in order, each with its count."""
    times = sorted(set(_boundaries(schedule, start, start + _DAY)))
    return tuple((at, schedule.value(at)) for at in times)


@lru_cache(maxsize=1024)
def _first_other(schedule: Schedule, start: datetime, count: int) -> datetime | None:
    """The first instant from the day of `start` on with another count; None when there is none.

    The search is bounded: a year of days, and the days about every date and end that is named.
    """
    for day in _days(schedule, start):
        for at, other in _changes_of_day(schedule, day):
            if other != count:
                return at
    return None


def _days(schedule: Schedule, start: datetime) -> Iterator[datetime]:
    """Days in UTC, in order, of which one has the next change if there is any.

    Counts of weekly windows are the same every week, except where a clock is put forward or back,
    and next to a date or an end. Each zone makes all of its changes of offset within a year.
    """
    near = ((named - 2 * _DAY, named + _WEEK_AND_DAY) for named in _named(schedule))
    spans = [(start, start + _YEAR), *near]
    day = start
    for first, last in sorted(spans):
        day = max(day, first)
        while day < last:
            yield day
            day += _DAY


def _named(schedule: Schedule) -> Iterator[datetime]:
    """The days, in UTC, of all dates and ends that the schedule names."""
    for entry in schedule.entries:
        if isinstance(entry.when, Until):
            yield datetime.combine(entry.when.end.date(), time(0), UTC)
        elif isinstance(entry.when.days, Dates):
            for pair in entry.when.days.ranges:
                yield from (datetime.combine(each, time(0), UTC) for each in pair)


def _boundaries(schedule: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every instant from `start` until before `end` at which an entry's being in force may change.

    These are ends, the instants at which a clock shows the start or the end of a window, and the
    instants at which a clock is put forward or back.
    """
    clocks: dict[str, set[time]] = {}
    for entry in schedule.entries:
        if isinstance(entry.when, Until):
            if start <= entry.when.end < end:
                yield entry.when.end
        else:
            clocks.setdefault(entry.when.zone, {time(0)}).update((entry.when.start, entry.when.end))
    for name, shown in clocks.items():
        rules = zone(name)
        first, last = start.astimezone(rules).date(), end.astimezone(rules).date()
        for number in range(-1, (last - first).days + 2):
            local = (datetime.combine(first + number * _DAY, each, rules) for each in shown)
            both = (each.replace(fold=fold) for each in local for fold in (0, 1))
            yield from (at for at in (each.astimezone(UTC) for each in both) if start <= at < end)
        yield from _shifts(rules, start, end)


def _shifts(rules: tzinfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """The instants from `start` until before `end`, a day later, at which the offset changes.

    No zone changes its offset twice in a day.
    """
    low, high = start - timedelta(seconds=1), end - timedelta(seconds=1)
    before = _offset(rules, low)
    if before == _offset(rules, high):
        return
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // timedelta(seconds=2) * timedelta(seconds=1)
        low, high = (middle, high) if _offset(rules, middle) == before else (low, middle)
    yield high


def _offset(rules: tzinfo, at: datetime) -> timedelta | None:
    return at.astimezone(rules).utcoffset()


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs without gaps, each by its first and last number."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _range(first: str, last: str, dash: str) -> str:
    return first if first == last else f"{first}{dash}{last}"
