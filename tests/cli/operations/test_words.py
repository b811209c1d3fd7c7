"""What people type: times, counts, jobs. Each refusal names the place and what is allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
import pytest

from mayfly_cli.explain.targets import Build, InstanceId, JobId, QueueKey, target
from mayfly_cli.main import run_command
from mayfly_cli.operations.options import Duration
from mayfly_cli.parameter_types import Count, Minutes

UUID = "01923f5e-8b7c-4a55-9c1c-2f9d1f3a8b11"
A_UNIT = "in place of a unit (s, m, h, d)"
A_PART = "in place of a number and a unit"
RANGE = "allowed: from 1s to 366d"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1s", timedelta(seconds=1)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("0h1s", timedelta(seconds=1)),
        ("007d", timedelta(days=7)),
        ("366d", timedelta(days=366)),
    ],
)
def test_a_time_is_read(text: str, time: timedelta) -> None:
    assert Duration().convert(text, None, None) == time


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", f"column 1: the end {A_PART}"),
        (" ", f"column 1: ' ' {A_PART}"),
        ("2", f"column 2: the end {A_UNIT}"),
        ("h", f"column 1: 'h' {A_PART}"),
        ("-1h", f"column 1: '-' {A_PART}"),
        ("+1h", f"column 1: '+' {A_PART}"),
        ("1.5h", f"column 2: '.' {A_UNIT}"),
        ("1,5h", f"column 2: ',' {A_UNIT}"),
        ("2h ", f"column 3: ' ' {A_PART}"),
        ("1h 30m", f"column 3: ' ' {A_PART}"),
        ("2H", f"column 2: 'H' {A_UNIT}"),
        ("2 hours", f"column 2: ' ' {A_UNIT}"),
        ("1w", f"column 2: 'w' {A_UNIT}"),
        ("\u0662h", f"column 1: '\u0662' {A_PART}"),
        ("2\uff12h", f"column 2: '\uff12' {A_UNIT}"),
        ("1h\0", f"column 3: '\\x00' {A_PART}"),
        ("2h\n", f"column 3: '\\n' {A_PART}"),
        ("9" * 4000, f"column 10: '9' {A_UNIT}"),
        ("0s", RANGE),
        ("0d0h", RANGE),
        ("367d", RANGE),
        ("366d1s", RANGE),
        ("999999999d" * 400, RANGE),
    ],
)
def test_a_time_that_cannot_be_read_says_where_and_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(click.BadParameter) as found:
        Duration().convert(text, None, None)
    assert says in found.value.message
    assert "\n" not in found.value.message


@pytest.mark.parametrize("name", ["waits", "cost", "changes", "report"])
def test_every_since_refuses_in_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command((name, "--since", "1.5h")) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"mayfly {name}: --since: '1.5h' is not a time: column 2: '.'")


DIGITS = ["", " ", "ten", "-1", "+1", "1.5", "1,5", "1e3", "1_0", "\u0663", "\uff13", "3 ", "0x1"]


@pytest.mark.parametrize("text", [*DIGITS, "5001", "9" * 4000])
def test_a_count_has_plain_digits(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a count from 0 to 5000"):
        Count(0, 5000).convert(text, None, None)


@pytest.mark.parametrize("text", ["", "1e2", "inf", "nan", "\u0663", "1_0", "-1", "0", "61"])
def test_minutes_have_plain_digits(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number, more than 0 and at most 60"):
        Minutes(60).convert(text, None, None)


def test_a_value_that_begins_with_a_dash_says_how_it_is_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(("set", "deploy", "pool/hot", "-1")) == 2
    assert "-1 begins with -, as options do: write -- before it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (UUID, JobId(UUID)),
        (UUID.upper(), JobId(UUID)),
        (f"  {UUID}\n", JobId(UUID)),
        ("i-0123456789abcdef0", InstanceId("i-0123456789abcdef0")),
        ("I-0123456789ABCDEF0", InstanceId("i-0123456789abcdef0")),
        (" i-01234567 ", InstanceId("i-01234567")),
        ("app/812", Build("app", 812)),
        ("App/812", Build("app", 812)),
        ("app#812", Build("app", 812)),
        (" app/812 ", Build("app", 812)),
        ("acme/app/812", Build("app", 812)),
        ("acme/app#812", Build("app", 812)),
        (f"https://buildkite.com/acme/app/builds/812#{UUID}", JobId(UUID)),
        (f"https://buildkite.com/acme/app/builds/812#{UUID.upper()}", JobId(UUID)),
        (f"https://buildkite.com/acme/app/builds/812#{UUID}/45-46", JobId(UUID)),
        ("https://buildkite.com/acme/app/builds/812", Build("app", 812)),
        ("https://buildkite.com/acme/app/builds/812/", Build("app", 812)),
        ("buildkite.com/acme/app/builds/812", Build("app", 812)),
        ("https://buildkite.com/acme/app/builds/812#annotations", Build("app", 812)),
        ("https://buildkite.com/acme/app/builds/812/canvas?sid=x", Build("app", 812)),
        (
            "https://api.buildkite.com/v2/organizations/acme/pipelines/app/builds/812/jobs/" + UUID,
            JobId(UUID),
        ),
        ("gpu", QueueKey("gpu")),
        ("app/\u0668", None),
        (f"app/{'9' * 5000}", None),
        (f"https://buildkite.com/acme/app/builds/{'9' * 5000}", None),
        ("https://buildkite.com/acme/app", None),
        ("app/812/", None),
        ("/812", None),
        (UUID[:-1] + "\uff11", None),
        ("two words", None),
        ("\udcff", None),
        ("", None),
    ],
)
def test_what_a_person_may_name(text: str, named: Any) -> None:
    assert target(text) == named
