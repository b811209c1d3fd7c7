"""Reads the text of a schedule: `2; Mon-Fri 08:00-18:00 Europe/Berlin = 10; Sat = 4`.

Every error names the column, what stands there, and what is allowed there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TypeVar

from mayfly.config.schedule import DAYS, Dates, Entry, Schedule, Until, Weekly, When, Window
from mayfly.config.zones import NO_ZONE, near_zone, zone, zone_names

MOST_ENTRIES = 20
"""Entries after the default. The search for the next change takes longer with each."""

_BLANK = " \t\r"
_ENDS = ";\n"
_COUNT = re.compile(r"[0-9]{1,9}(?![0-9A-Za-z.,])")
_DAY_NAME = re.compile(r"[A-Za-z]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?![0-9:])")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_END = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?"
    r"(?![0-9A-Za-z:.+-])"
)
_WORD = re.compile(r"[^ \t\r\n;=]+|[;=]")
_LONGEST_SHOWN = 40
"""Characters of a word that an error shows; of a longer word no part, for it may be a secret."""
_YEARS = range(2000, 2200)

_A_DAY = "a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun)"
_A_WHEN = f"{_A_DAY}, a date as 2026-12-24, times as 08:00-18:00, or until"
_AN_END = "a time as 2026-12-01T15:00Z or 2026-12-01T16:00 Europe/Berlin"
_A_ZONE = "a time zone as Europe/Berlin"

Read = TypeVar("Read")


def parse_schedule(text: str, low: int = 0, high: int = 999_999_999) -> Schedule:
    """The schedule that a text means, with counts from `low` to `high`.

    Raises ValueError that names the column, what stands there, and what is allowed.
    """
    reader = _Reader(text, f"a count from {low} to {high}", range(low, high + 1))
    default = reader.count()
    entries: list[Entry] = []
    while reader.next_entry():
        if len(entries) == MOST_ENTRIES:
            raise reader.error(f"no more than {MOST_ENTRIES} entries after the default")
        entries.append(reader.entry())
    return Schedule(default, tuple(entries))


@dataclass(slots=True)
class _Reader:
    """A text and the place up to which it was read."""

    text: str
    a_count: str
    counts: range
    at: int = 0

    def count(self) -> int:
        """The count that stands next."""
        word = self._take(_COUNT, self.a_count)
        if int(word) not in self.counts:
            self.at -= len(word)
            raise self.error(self.a_count)
        return int(word)

    def next_entry(self) -> bool:
        """Whether another entry follows; the text before it must be a separator, or the end."""
        self._skip(_BLANK)
        if self.at < len(self.text) and self.text[self.at] not in _ENDS:
            raise self.error("; before the next entry")
        self._skip(_BLANK + _ENDS)
        return self.at < len(self.text)

    def entry(self) -> Entry:
        """The entry that stands next: when, `=`, and the count."""
        when = self._when()
        if not self._next("="):
            raise self.error(self._before_equals(when))
        return Entry(when, self.count())

    def _before_equals(self, when: When) -> str:
        if isinstance(when, Until) or self.text[: self.at].rstrip().endswith(when.zone):
            return "= and a count"
        return f"times as 08:00-18:00, {_A_ZONE}, or = and a count"

    def _when(self) -> When:
        word = self._peek(_DAY_NAME)
        if word.casefold() == "until":
            self.at += len(word)
            return Until(self._end())
        if self._peek(_DATE):
            days: Weekly | Dates = self._dates()
        elif word:
            days = self._weekdays()
        elif self._peek(_TIME):
            days = Weekly(frozenset(range(7)))
        else:
            raise self.error(_A_WHEN)
        start = end = time(0)
        if self._peek(_TIME):
            start, end = self._times()
        return Window(days, self._zone() if self._peek(_ZONE) else NO_ZONE, start, end)

    def _weekdays(self) -> Weekly:
        days: set[int] = set()
        while True:
            first = self._weekday()
            last = self._weekday() if self._next("-") else first
            days.update((first + n) % 7 for n in range((last - first) % 7 + 1))
            if not self._next(","):
                return Weekly(frozenset(days))

    def _weekday(self) -> int:
        word = self._peek(_DAY_NAME)
        if len(word) < 3 or word.casefold() not in _NAMES:
            raise self.error(_A_WHEN if self.text[self.at - 1 : self.at] not in ",-" else _A_DAY)
        self.at += len(word)
        return _NAMES[word.casefold()]

    def _dates(self) -> Dates:
        ranges: list[tuple[date, date]] = []
        while True:
            first = self._date()
            last = self._date(first) if self._next("..") else first
            ranges.append((first, last))
            if not self._next(","):
                return Dates(tuple(ranges))

    def _date(self, least: date | None = None) -> date:
        allowed = f"a date from {least} on" if least else "a date as 2026-12-24"
        return self._read(_DATE, allowed, lambda word: _of_years(date.fromisoformat(word), least))

    def _times(self) -> tuple[time, time]:
        start = self._read(_TIME, "a time from 00:00 to 23:59", time.fromisoformat)
        if not self._next("-"):
            raise self.error("- and the time of the end, as in 08:00-18:00")
        return start, self._read(
            _TIME,
            f"a time from 00:01 to 24:00, and not {start:%H:%M} again; without times a window is "
            "the whole day",
            lambda word: _end_after(word, start),
        )

    def _zone(self) -> str:
        word = self._peek(_ZONE)
        if word not in zone_names():
            meant = near_zone(word)
            raise self.error(f"{_A_ZONE}; did you mean {meant}?" if meant else _A_ZONE)
        self.at += len(word)
        return word

    def _end(self) -> datetime:
        began = self.at
        end = self._read(_END, _AN_END, datetime.fromisoformat)
        if end.tzinfo is None:
            end = end.replace(tzinfo=zone(self._zone() if self._peek(_ZONE) else NO_ZONE))
        if end.year not in _YEARS:
            self.at = began
            raise self.error(f"a year from {_YEARS[0]} to {_YEARS[-1]}")
        return end.astimezone(UTC)

    def _read(self, form: re.Pattern[str], allowed: str, parse: Callable[[str], Read]) -> Read:
        """The value of the word that stands next. Raises ValueError that says what is allowed."""
        word = self._take(form, allowed)
        try:
            return parse(word)
        except ValueError as error:
            self.at -= len(word)
            raise self.error(allowed) from error

    def _take(self, form: re.Pattern[str], allowed: str) -> str:
        word = self._peek(form)
        if not word:
            raise self.error(allowed)
        self.at += len(word)
        return word

    def _peek(self, form: re.Pattern[str]) -> str:
        self._skip(_BLANK)
        found = form.match(self.text, self.at)
        return found[0] if found else ""

    def _next(self, sign: str) -> bool:
        self._skip(_BLANK)
        is_next = self.text.startswith(sign, self.at)
        self.at += len(sign) * is_next
        return is_next

    def _skip(self, characters: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1

    def error(self, allowed: str) -> ValueError:
        """The error for what stands next, in place of what is allowed."""
        self._skip(_BLANK)
        found = _WORD.match(self.text, self.at)
        shown = _shown(found[0]) if found else "the end"
        before = self.text[: self.at]
        line, column = before.count("\n") + 1, self.at - before.rfind("\n")
        place = f"line {line}, column {column}" if "\n" in self.text else f"column {column}"
        return ValueError(f"{place}: {shown} in place of {allowed}")


_LONG = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES = {name.casefold(): number for names in (DAYS, _LONG) for number, name in enumerate(names)}


def _shown(word: str) -> str:
    """The word in quotes; the code point of a first character that nobody sees."""
    if not word[0].isprintable() or word[0].isspace():
        return f"U+{ord(word[0]):04X}"
    if len(word) > _LONGEST_SHOWN:
        return f"a word of {len(word)} characters"
    return '"' + "".join(char if char.isprintable() else " " for char in word) + '"'


def _of_years(day: date, least: date | None) -> date:
    """The date. Raises ValueError outside of the years that schedules take, and before `least`."""
    if day.year not in _YEARS or (least is not None and day < least):
        raise ValueError
    return day


def _end_after(word: str, start: time) -> time:
    """The end of a window, midnight for `24:00`. Raises ValueError for an end at the start."""
    end = time(0) if word == "24:00" else time.fromisoformat(word)
    if end == start and word != "24:00":
        raise ValueError
    return end
