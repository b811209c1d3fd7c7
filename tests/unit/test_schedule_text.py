"""Texts of schedules: what is read, and where the first wrong word stands."""

from __future__ import annotations

import pytest

from mayfly.config.schedule import Schedule
from mayfly.config.schedule_text import MOST_ENTRIES, parse_schedule

A_COUNT = "a count from 0 to 5000"
A_DAY = "a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun)"
A_WHEN = f"{A_DAY}, a date as 2026-12-24, times as 08:00-18:00, or until"
AN_END_OF_WINDOW = (
    "a time from 00:01 to 24:00, and not 08:00 again; without times a window is the whole day"
)
A_REST = "times as 08:00-18:00, a time zone as Europe/Berlin, or = and a count"
AN_END = "a time as 2026-12-01T15:00Z or 2026-12-01T16:00 Europe/Berlin"


def read(text: str) -> Schedule:
    return parse_schedule(text, 0, 5000)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("3", "3"),
        ("  3 ", "3"),
        ("2;Sat=4", "2; Sat UTC = 4"),
        ("2; sat,SUNDAY = 4", "2; Sat-Sun UTC = 4"),
        ("2; Fri-Mon = 4", "2; Mon,Fri-Sun UTC = 4"),
        ("2; Mon, Wed - Thu = 4", "2; Mon,Wed-Thu UTC = 4"),
        (
            "2; Mon-Fri 08:00-18:00 Europe/Berlin = 10",
            "2; Mon-Fri 08:00-18:00 Europe/Berlin = 10",
        ),
        ("2; 08:00 - 18:00 = 10", "2; Mon-Sun 08:00-18:00 UTC = 10"),
        ("2; Fri 22:00-24:00 = 10", "2; Fri 22:00-24:00 UTC = 10"),
        ("2; Fri 00:00-24:00 = 10", "2; Fri UTC = 10"),
        ("2; Fri 22:00-06:00 Etc/GMT+5 = 1", "2; Fri 22:00-06:00 Etc/GMT+5 = 1"),
        (
            "1; 2026-12-24 .. 2026-12-26, 2027-01-01 Asia/Tokyo = 0",
            "1; 2026-12-24..2026-12-26,2027-01-01 Asia/Tokyo = 0",
        ),
        ("2; until 2026-12-01T15:00Z = 20", "2; until 2026-12-01T15:00Z = 20"),
        ("2; until 2026-12-01T15:00:07Z = 20", "2; until 2026-12-01T15:00:07Z = 20"),
        ("2; until 2026-12-01T15:00+05:30 = 20", "2; until 2026-12-01T09:30Z = 20"),
        ("2; until 2026-12-01T15:00 = 20", "2; until 2026-12-01T15:00Z = 20"),
        ("2; until 2026-12-01T15:00 Europe/Berlin = 20", "2; until 2026-12-01T14:00Z = 20"),
        ("2\nSat = 4\n\nSun = 5;\n", "2; Sat UTC = 4; Sun UTC = 5"),
        (f"7{' ' * 3_990};;;\t\r\n", "7"),
    ],
)
def test_a_schedule_is_read_and_written_again(text: str, meaning: str) -> None:
    assert str(read(text)) == meaning
    assert read(meaning) == read(text)


@pytest.mark.parametrize(
    ("text", "place", "found", "allowed"),
    [
        ("", "column 1", "the end", A_COUNT),
        ("ten", "column 1", '"ten"', A_COUNT),
        ('"2"', "column 1", '""2""', A_COUNT),
        ("\u0662", "column 1", '"\u0662"', A_COUNT),
        ("-1", "column 1", '"-1"', A_COUNT),
        ("2.5", "column 1", '"2.5"', A_COUNT),
        ("auto 0.95", "column 1", '"auto"', A_COUNT),
        ("5001", "column 1", '"5001"', A_COUNT),
        ("9" * 4_000, "column 1", "a word of 4000 characters", A_COUNT),
        ("Mon = 3", "column 1", '"Mon"', A_COUNT),
        ("2, Mon = 3", "column 1", '"2,"', A_COUNT),
        ("2 Mon = 3", "column 3", '"Mon"', "; before the next entry"),
        ("2; Mon = 3 4", "column 12", '"4"', "; before the next entry"),
        ("2; Mo = 3", "column 4", '"Mo"', A_WHEN),
        ("2; = 3", "column 4", '"="', A_WHEN),
        ("2; 'Mon' = 3", "column 4", "\"'Mon'\"", A_WHEN),
        ("2; Mon,,Tue = 2", "column 8", '",Tue"', A_DAY),
        ("2; Mon-Day = 2", "column 8", '"Day"', A_DAY),
        ("2; Mon", "column 7", "the end", A_REST),
        ("2; Mon\u00a0= 3", "column 7", "U+00A0", A_REST),
        ("2; Mon 8:00-18:00 = 3", "column 8", '"8:00-18:00"', A_REST),
        ("2; Mon 08:00 = 3", "column 14", '"="', "- and the time of the end, as in 08:00-18:00"),
        ("2; Mon 24:00-08:00 = 3", "column 8", '"24:00-08:00"', "a time from 00:00 to 23:59"),
        (
            "2; Mon 08:00-08:00 = 3",
            "column 14",
            '"08:00"',
            AN_END_OF_WINDOW,
        ),
        ("2; Mon =", "column 9", "the end", A_COUNT),
        ("2; Mon = many", "column 10", '"many"', A_COUNT),
        (
            "2; Mon Berlin = 4",
            "column 8",
            '"Berlin"',
            "a time zone as Europe/Berlin; did you mean Europe/Berlin?",
        ),
        (
            "2; Mon asia/tokio = 4",
            "column 8",
            '"asia/tokio"',
            "a time zone as Europe/Berlin; did you mean Asia/Tokyo?",
        ),
        ("2; Mon ../../etc = 4", "column 8", '"../../etc"', A_REST),
        ("2; Mon UTC CET = 4", "column 12", '"CET"', "= and a count"),
        ("2; until tomorrow = 4", "column 10", '"tomorrow"', AN_END),
        ("2; until 2026-12-01 = 4", "column 10", '"2026-12-01"', AN_END),
        ("2; until 2026-13-01T00:00Z = 4", "column 10", '"2026-13-01T00:00Z"', AN_END),
        (
            "2; until 9999-12-31T23:59-23:00 = 4",
            "column 10",
            '"9999-12-31T23:59-23:00"',
            "a year from 2000 to 2199",
        ),
        ("2; until 2026-12-01T00:00Z CET = 4", "column 28", '"CET"', "= and a count"),
        ("2; 2026-02-30 = 4", "column 4", '"2026-02-30"', "a date as 2026-12-24"),
        ("2; 1066-10-14 = 4", "column 4", '"1066-10-14"', "a date as 2026-12-24"),
        (
            "2; 2026-12-26..2026-12-24 = 3",
            "column 16",
            '"2026-12-24"',
            "a date from 2026-12-26 on",
        ),
        ("2;\nTue = 4;\n foo = 3", "line 3, column 2", '"foo"', A_WHEN),
    ],
)
def test_a_wrong_word_is_named_with_its_place(
    text: str, place: str, found: str, allowed: str
) -> None:
    with pytest.raises(ValueError, match=":") as refused:
        read(text)
    assert str(refused.value) == f"{place}: {found} in place of {allowed}"


def test_a_schedule_has_a_bounded_number_of_entries() -> None:
    assert len(read("2" + "; Mon = 1" * MOST_ENTRIES).entries) == MOST_ENTRIES
    with pytest.raises(ValueError, match=f"no more than {MOST_ENTRIES} entries"):
        read("2" + "; Mon = 1" * 400)
