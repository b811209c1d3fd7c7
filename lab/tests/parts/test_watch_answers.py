"""GetMetricData and log queries as the lab answers them: searches, percentiles, filters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from moto.cloudwatch.exceptions import ValidationError
from moto.logs.exceptions import InvalidParameterException

from mayfly_lab.aws.watch.answers import get_metric_data
from mayfly_lab.aws.watch.queries import execute_query
from mayfly_lab.aws.watch.series import KEPT, Datum, Series, statistic

START = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def datum(minute: float, value: float, name: str, **dimensions: str) -> Any:
    at = (START + timedelta(minutes=minute)).replace(tzinfo=None)
    named = [SimpleNamespace(name=key, value=each) for key, each in dimensions.items()]
    return SimpleNamespace(
        namespace="Mayfly", name=name, dimensions=named, timestamp=at, value=value
    )


WAITS = [datum(0, n, "WaitSeconds", stack="ci", queue="a", path="hot") for n in range(101)]
DATA = [
    *WAITS,
    datum(0, 2, "Hot", stack="ci", queue="a"),
    datum(0, 3, "Hot", stack="ci", queue="b"),
    datum(1, 1, "Hot", stack="ci", queue="b"),
    datum(0, 9, "Hot", stack="other", queue="a"),
    datum(0, 9, "Coming", stack="ci", queue="a"),
]


def asked(*queries: dict[str, Any]) -> list[tuple[str, list[float]]]:
    backend: Any = SimpleNamespace(get_all_metrics=lambda: DATA)
    end = START + timedelta(minutes=10)
    found = get_metric_data(backend, queries, START, end)
    return [(each["label"], each["values"]) for each in found]


def search(what: str, stat: str = "Maximum") -> str:
    return f"SEARCH('{{Mayfly,stack,queue}} MetricName=\"{what}\" stack=\"ci\"', '{stat}', 60)"


def test_a_search_finds_every_queue_of_the_stack_by_its_name() -> None:
    label = "${PROP('Dim.queue')} hot"
    assert asked({"Id": "e", "Expression": search("Hot"), "Label": label}) == [
        ("a hot", [2]),
        ("b hot", [3, 1]),
    ]


def test_a_sum_of_a_search_adds_the_queues_minute_by_minute() -> None:
    assert asked({"Id": "e", "Expression": f"SUM({search('Hot')})", "Label": "all"}) == [
        ("all", [5, 1])
    ]


def test_percentiles_are_those_of_the_single_values() -> None:
    dimensions = {"stack": "ci", "queue": "a", "path": "hot"}
    stat = {
        "Metric": {
            "Namespace": "Mayfly",
            "MetricName": "WaitSeconds",
            "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()],
        },
        "Period": 300,
    }
    queries = [{"Id": s, "MetricStat": {**stat, "Stat": s}} for s in ("p50", "p99", "SampleCount")]
    assert [values for _, values in asked(*queries)] == [[50], [99], [101]]


@pytest.mark.parametrize("query", ["ANOMALY(m1)", "SELECT 1"])
def test_an_expression_that_the_lab_lacks_is_refused_and_not_answered_wrongly(query: str) -> None:
    with pytest.raises(ValidationError, match="the lab knows no expression"):
        asked({"Id": "e", "Expression": query})


@pytest.mark.parametrize("name", ["p101", "p", "median"])
def test_an_unknown_statistic_is_an_error(name: str) -> None:
    with pytest.raises(KeyError):
        statistic(name)


def test_old_values_are_forgotten_so_that_a_lab_that_stays_up_does_not_grow() -> None:
    series = Series()
    for minute in range(KEPT * 3):
        series.add([Datum("Mayfly", f"M{minute % 7}", {}, minute * 60, 1)])
    assert sum(len(minutes) for minutes in series._values.values()) == KEPT


# -- log queries -----------------------------------------------------------------------------------


LINES: Sequence[object] = (
    {"level": "INFO", "message": "tick", "outcome": {"done": {}}},
    {"level": "WARNING", "message": "job j-1 waits", "job": "j-1", "queue": "a"},
    {"level": "ERROR", "message": "queue b: bad | value", "queues": ["b", "c"]},
    "START RequestId: j-1 Version: $LATEST",
)
MILLISECONDS = int(START.timestamp() * 1000)


def rows(query: str) -> list[dict[str, str]]:
    events = [
        SimpleNamespace(
            timestamp=MILLISECONDS + number,
            message=line if isinstance(line, str) else json.dumps(line),
            event_id=number,
        )
        for number, line in enumerate(LINES)
    ]
    stream = SimpleNamespace(events=events, log_stream_name="s")
    group = SimpleNamespace(name="/aws/lambda/x", streams={"s": stream})
    seconds = int(START.timestamp())
    found = execute_query([group], query, seconds - 60, seconds + 60)
    return [{name: value for name, value in row.items() if name != "@ptr"} for row in found]


def test_the_dashboards_query_shows_warnings_and_errors_with_their_queue_the_newest_first() -> None:
    query = (
        "SOURCE '/aws/lambda/x' | fields coalesce(queue, queues.0) as of_queue, message"
        ' | filter level in ["WARNING", "ERROR"] and message != "tick"'
        " | sort @timestamp desc | limit 20"
    )
    assert rows(query) == [
        {"of_queue": "b", "message": "queue b: bad | value"},
        {"of_queue": "a", "message": "job j-1 waits"},
    ]


@pytest.mark.parametrize(
    ("test", "found"),
    [
        ('job = "j-1" or @message like "j-1"', [1, 3]),
        ("@message like /queue [ab]/", [2]),
        ('message not like "job" and not (level = "INFO")', [2, 3]),
        ('message like "bad | value"', [2]),
        ("@timestamp > 0 and level = 'INFO'", [0]),
    ],
)
def test_a_filter_compares_fields_of_the_line(test: str, found: list[int]) -> None:
    shown = [row["@timestamp"][-3:] for row in rows(f"filter {test} | sort @timestamp asc")]
    assert shown == [f"{number:03}" for number in found]


@pytest.mark.parametrize("query", ["stats count(*) by job", "filter job", "filter a in b", "sort"])
def test_a_query_that_the_lab_cannot_answer_is_refused(query: str) -> None:
    with pytest.raises(InvalidParameterException):
        rows(query)
