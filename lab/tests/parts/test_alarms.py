"""The state of alarms by their definitions, and metrics from log lines."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mayfly_lab.aws.watch.alarms import ALARM, NO_DATA, OK, Alarm, Part
from mayfly_lab.aws.watch.series import Datum, Series, embedded
from mayfly_lab.aws.watch.watch import Change
from mayfly_lab.report.alarms import AlarmLine, alarm_lines, told
from mayfly_lab.report.show import alarms_table

DIMENSIONS = {"service": "reap", "stack": "mayfly"}
KEY = ("Mayfly", "Strays", frozenset(DIMENSIONS.items()))
MOST = Alarm(
    name="alarm",
    parts=(Part(KEY, "Maximum"),),
    period=60,
    periods=3,
    datapoints=2,
    comparison="GreaterThanOrEqualToThreshold",
    threshold=1.0,
    missing="notBreaching",
)
LEAST = replace(MOST, comparison="LessThanThreshold", datapoints=3, missing="breaching")


def datum(value: float, at: float, name: str = "Strays") -> Datum:
    return Datum("Mayfly", name, DIMENSIONS, at, value)


@pytest.mark.parametrize(
    ("alarm", "points", "state"),
    [
        (MOST, [None, None, None, None, None], OK),
        (MOST, [None, None, None, None, 1.0], OK),
        (MOST, [None, None, None, 1.0, 1.0], ALARM),
        (MOST, [None, None, 1.0, 0.0, 1.0], ALARM),
        (MOST, [1.0, 1.0, 0.0, 0.0, 1.0], OK),
        # Older real points take the place of missing ones where there are enough.
        (MOST, [1.0, None, 0.0, 1.0, None], ALARM),
        (LEAST, [None, None, None, None, None], ALARM),
        (LEAST, [None, None, None, None, 2.0], OK),
        (LEAST, [None, None, None, 0.0, 0.0], ALARM),
        (LEAST, [5.0, 5.0, None, None, None], OK),
        (LEAST, [None, None, 0.0, 0.0, 3.0], OK),
        (replace(MOST, missing="missing"), [None] * 5, NO_DATA),
        (replace(MOST, missing="missing"), [None, None, None, 1.0, 1.0], ALARM),
        (replace(MOST, missing="missing"), [None, None, None, None, 0.0], OK),
        (replace(MOST, missing="ignore"), [None] * 5, "before"),
        (replace(MOST, comparison="GreaterThanThreshold"), [1.0] * 5, OK),
        (replace(MOST, comparison="LessThanOrEqualToThreshold"), [1.0] * 5, ALARM),
    ],
)
def test_an_alarm_counts_its_last_datapoints_against_its_threshold(
    alarm: Alarm, points: list[float | None], state: str
) -> None:
    assert alarm.state(points, "before")[0] == state


def test_the_reason_of_a_state_has_the_points_and_the_threshold() -> None:
    assert MOST.state([None, None, 0.0, 1.0, 4.0], OK)[1] == (
        "2 of the last 3 values are >= 1 (latest first: 4, 1, 0); the alarm goes off at 2 such"
        " values"
    )
    assert (
        "0 of the last 3 values and 3 missing, which count as breaching, are < 1"
        in (LEAST.state([None] * 5, OK)[1])
    )


def test_points_are_statistics_of_whole_periods() -> None:
    series = Series()
    series.add([datum(1, 600), datum(3, 659.9), datum(5, 660), datum(9, 720), datum(7, 600, "X")])
    assert MOST.points(series, 725) == [None, None, None, 3, 5]
    total = replace(MOST, parts=(Part(KEY, "Sum"),), period=120, periods=1)
    assert total.points(series, 720) == [None, None, 9]
    for statistic, value in (("Average", 2), ("Minimum", 1), ("SampleCount", 2), ("Sum", 4)):
        assert series.point(KEY, 600, 60, statistic) == value


def test_an_alarm_of_several_metrics_adds_what_there_is() -> None:
    other = ("Mayfly", "Strays", frozenset({"service": "sandbox", "stack": "mayfly"}.items()))
    series = Series()
    series.add([datum(2, 60), Datum("Mayfly", "Strays", dict(other[2]), 60, 3)])
    both = replace(MOST, parts=(Part(KEY, "Maximum"), Part(other, "Maximum")), periods=1)
    assert both.points(series, 120) == [None, None, 5]
    assert replace(both, parts=(Part(KEY, "Sum"),)).points(series, 120) == [None, None, 2]
    zero = (Part(KEY, "Maximum"), Part(other, "Maximum", 0.0))
    assert replace(both, parts=zero).points(series, 120) == [None, None, 2]
    series.add([Datum("Mayfly", "Strays", dict(other[2]), 120, 3)])
    assert replace(both, parts=zero).points(series, 180) == [None, 2, 0]


def test_metrics_are_read_from_lines_in_the_embedded_format() -> None:
    content = {
        "_aws": {
            "Timestamp": 60_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Mayfly",
                    "Dimensions": [["service", "stack"]],
                    "Metrics": [{"Name": "Strays", "Unit": "Count"}],
                }
            ],
        },
        **DIMENSIONS,
        "Strays": [2.0, 1.0],
    }
    assert list(embedded(json.dumps(content))) == [datum(2.0, 60.5), datum(1.0, 60.5)]
    for line in (
        "",
        "START RequestId",
        '{"_aws": 3}',
        '{"message": "no \\"_aws\\" metric"}',
        '"_aws"',
    ):
        assert list(embedded(line)) == []


def test_a_report_tells_when_an_alarm_went_on_and_off_and_why() -> None:
    first = Change(101.0, "mayfly-A", OK, "fine", "It fails.")
    on = Change(110.0, "mayfly-A", ALARM, "2 of 3", "It fails.")
    off = Change(130.0, "mayfly-A", OK, "0 of 3", "It fails.")
    other = Change(140.0, "mayfly-B", ALARM, "1 of 1", "It is silent.")
    lines = alarm_lines([first, on, off, other], 100.0)
    assert lines == [
        AlarmLine("mayfly-A", 10.0, 30.0, "It fails.", "2 of 3"),
        AlarmLine("mayfly-B", 40.0, None, "It is silent.", "1 of 1"),
    ]
    assert list(alarms_table(lines))[:3] == [
        "mayfly-A: ALARM from 10.0 s to 30.0 s",
        "    It fails.",
        "    2 of 3",
    ]
    assert list(alarms_table([])) == ["no alarm fired"]
    assert told([], first) == ""
    assert told([first], on) == "alarm mayfly-A is on (ALARM): It fails."
    assert told([first, on], off) == "alarm mayfly-A is OK again"
