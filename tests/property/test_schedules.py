"""Schedules against a slow model that looks at the clock of each minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.config.schedule import DAYS, Schedule
from mayfly.config.schedule_text import parse_schedule
from mayfly.config.zones import zone

MINUTE = timedelta(minutes=1)
LOOKED_AT = 3 * 24 * 60
"""Minutes that the model looks at."""
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Asia/Kolkata",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
)

# Two entries often name the same clock and count, and the days are near to what is looked at.
clocks = st.sampled_from(["00:00", "00:30", "01:00", "02:15", "03:00", "12:00", "23:30"])
ends = st.sampled_from(["00:30", "01:30", "02:45", "12:00", "24:00"])
counts = st.integers(0, 3)
days = st.sampled_from([*DAYS, "Mon-Fri", "Sat-Sun", "Fri-Mon", "Mon,Wed"])
# In each of these weeks some of the zones put their clocks forward or back.
starts = st.sampled_from(
    [datetime(2025, *each, tzinfo=UTC) for each in ((3, 8), (3, 29), (4, 24), (10, 29), (11, 1))]
)
dates = st.builds(
    lambda start, number: (start + timedelta(days=number)).date(), starts, st.integers(0, 3)
)
windows = st.builds(
    lambda named, times, place: " ".join(filter(None, (str(named), times, place))),
    st.one_of(days, dates),
    st.one_of(st.just(""), st.builds("{}-{}".format, clocks, ends)),
    st.sampled_from(ZONES),
).filter(lambda text: not any(f"{each}-{each}" in text for each in ("00:30", "12:00")))
untils = st.builds(
    lambda start, minutes: f"until {start + minutes * MINUTE:%Y-%m-%dT%H:%MZ}",
    starts,
    st.integers(0, LOOKED_AT),
)
entries = st.lists(st.tuples(st.one_of(windows, windows, untils), counts), max_size=4)


def model(default: int, made: list[tuple[str, int]], now: datetime) -> int:
    """The count of the last entry whose words fit what clocks show."""
    count = default
    for when, own in made:
        if _fits(when.split(), now):
            count = own
    return count


def _fits(words: list[str], now: datetime) -> bool:
    if words[0] == "until":
        return now < datetime.fromisoformat(words[1])
    local = now.astimezone(zone(words[-1]))
    if len(words) == 2:
        return _is_day(words[0], local.date())
    start, end = words[1].split("-")
    shown = local.strftime("%H:%M")
    if start < end:
        return _is_day(words[0], local.date()) and start <= shown < end
    return (shown >= start and _is_day(words[0], local.date())) or (
        shown < end and _is_day(words[0], local.date() - timedelta(days=1))
    )


def _is_day(word: str, day: date) -> bool:
    groups = {"Mon-Fri": DAYS[:5], "Sat-Sun": DAYS[5:], "Fri-Mon": ("Fri", "Sat", "Sun", "Mon")}
    named = groups.get(word, word.split(","))
    return str(day) in named or DAYS[day.weekday()] in named


@given(default=counts, made=entries, start=starts)
@settings(max_examples=60, deadline=None)
def test_count_and_next_change_are_those_of_a_look_at_each_minute(
    default: int, made: list[tuple[str, int]], start: datetime
) -> None:
    schedule = parse_schedule("; ".join([str(default), *(f"{w} = {n}" for w, n in made)]))
    minutes = [start + n * MINUTE for n in range(LOOKED_AT)]
    expected = [model(default, made, now) for now in minutes]
    assert [schedule.value(now) for now in minutes[::17]] == expected[::17]
    seen = [now for n, now in enumerate(minutes) if n and expected[n] != expected[n - 1]]
    found, now = [], schedule.next_change(start)
    while now is not None and now <= minutes[-1]:
        found.append(now)
        now = schedule.next_change(now)
    assert found == seen


@given(text=st.text(max_size=60) | st.text("0123456789;=-:,. MonFriSatUTCuntil\n", max_size=60))
@settings(max_examples=200, deadline=None)
def test_a_text_is_a_schedule_that_can_be_written_or_is_refused_with_a_place(text: str) -> None:
    read = parsed(text)
    if isinstance(read, str):
        assert "column " in read
        assert " in place of " in read
        assert len(read) < 300
    else:
        assert parse_schedule(str(read)) == read


def parsed(text: str) -> Schedule | str:
    """The schedule that a text means, or why it means none."""
    try:
        return parse_schedule(text)
    except ValueError as error:
        return str(error)
