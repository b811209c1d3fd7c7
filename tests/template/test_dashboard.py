"""The dashboard's body has CloudWatch's structure, and every series in it is one that is sent."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from build import dashboard
from mayfly.metrics import Failed, Metric, Path, Sent
from mayfly_cli.templates.resolution import Deployment
from tests.template.conftest import Resources

Widget = dict[str, Any]
BY_NAME = {metric.value: metric for metric in Metric}
SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]+)\} (?P<terms>[^']+)', '(?P<stat>\w+)', (?P<s>\d+)\)"
)
TERM = re.compile(r'(\w+)="([^"]+)"')
STATISTICS = {"Average", "Maximum", "Minimum", "SampleCount", "Sum", "p50", "p99"}


def properties(required: tuple[str, ...], **known: object) -> dict[str, object]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": known,
    }


TEXT, WHOLE, FLAG = {"type": "string", "minLength": 1}, {"type": "integer"}, {"type": "boolean"}
AXIS = properties((), min={"type": "number"}, label=TEXT, showUnits=FLAG)
EXPRESSION = properties(
    ("expression", "id"),
    expression={"type": "string", "maxLength": 1024},
    id={"type": "string", "pattern": "^[a-z][a-zA-Z0-9_]*$"},
    label=TEXT,
    yAxis={"enum": ["left", "right"]},
)
OF_TYPE = {
    "metric": properties(
        ("region", "metrics", "view"),
        title=TEXT,
        region=TEXT,
        view={"enum": ["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]},
        stacked=FLAG,
        metrics={
            "type": "array",
            "minItems": 1,
            "maxItems": 500,
            "items": {"type": "array", "minItems": 1, "maxItems": 1, "items": EXPRESSION},
        },
        yAxis=properties((), left=AXIS, right=AXIS),
        annotations=properties(
            (),
            horizontal={
                "type": "array",
                "items": properties(("value",), value={"type": "number"}, label=TEXT),
            },
        ),
    ),
    "alarm": properties(
        ("alarms",),
        title=TEXT,
        sortBy={"enum": ["default", "stateUpdatedTimestamp", "timestamp"]},
        alarms={
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {"type": "string", "pattern": "^arn:aws:cloudwatch:[^:]+:[0-9]{12}:.+$"},
        },
    ),
    "log": properties(
        ("region", "query"),
        title=TEXT,
        region=TEXT,
        query=TEXT,
        view={"enum": ["table", "timeSeries", "bar", "pie"]},
    ),
    "text": properties(("markdown",), markdown=TEXT),
}
"""The used part of the structure: CloudWatch API reference, "Dashboard Body Structure and Syntax".

AWS publishes no schema of it.
"""
WIDGETS = [
    properties(
        ("type", "properties"),
        type={"const": kind},
        x={"type": "integer", "minimum": 0, "maximum": 23},
        y={"type": "integer", "minimum": 0},
        width={"type": "integer", "minimum": 1, "maximum": 24},
        height={"type": "integer", "minimum": 1, "maximum": 1000},
        properties=known,
    )
    for kind, known in OF_TYPE.items()
]
BODY = properties(
    ("widgets",),
    start={"type": "string", "pattern": "^-PT?[0-9]+[MHDW]$"},
    periodOverride={"enum": ["auto", "inherit"]},
    widgets={"type": "array", "maxItems": 500, "items": {"oneOf": WIDGETS}},
)


def body_of(resources: Resources) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"])
    return found


@pytest.fixture(scope="module")
def widgets(control: Resources) -> list[Widget]:
    found: list[Widget] = body_of(control)["widgets"]
    return found


def searches(widgets: list[Widget]) -> list[tuple[str, dict[str, str], str, int, str]]:
    """Schema, terms, statistic, period in seconds and label of every search."""
    return [
        (found["schema"], dict(TERM.findall(found["terms"])), found["stat"], int(found["s"]), label)
        for widget in widgets
        if widget["type"] == "metric"
        for (each,) in widget["properties"]["metrics"]
        for label in [each["label"]]
        for found in SEARCH.finditer(each["expression"])
    ]


def test_the_body_has_cloudwatchs_structure(
    control: Resources, control_template: dict[str, Any]
) -> None:
    jsonschema.validate(body_of(control), BODY)
    without_queue = Deployment(control_template, "acme", {}).resources
    jsonschema.validate(body_of(without_queue), BODY)
    assert control["Dashboard"]["Properties"]["DashboardName"] == "acme"


def test_no_two_widgets_share_a_place_and_none_is_out_of_the_grid(widgets: list[Widget]) -> None:
    cells = [
        {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        for each in widgets
    ]
    assert not [1 for one, other in combinations(cells, 2) if one & other]
    assert all(each["x"] + each["width"] <= 24 for each in widgets)


def test_every_search_finds_series_that_are_sent(widgets: list[Widget]) -> None:
    parts: dict[str, set[str]] = {"path": set(Path), "cause": set(Failed)}
    found = searches(widgets)
    graphs = [each for each in widgets if each["type"] == "metric"]
    expressions = sum(len(each["properties"]["metrics"]) for each in graphs)
    assert len(found) == expressions  # none is of another form
    for schema, terms, statistic, period, label in found:
        metric = BY_NAME[terms.pop("MetricName")]
        assert schema == ",".join(["Mayfly", *metric.dimensions])
        assert terms.pop("stack") == "acme"
        assert all(value in parts[name] for name, value in terms.items())
        assert statistic in STATISTICS
        # Values of the last 15 days have one minute; longer periods are multiples of it.
        assert period % 60 == 0
        shown = re.findall(r"PROP\('Dim\.(\w+)'\)", label)
        assert set(shown) <= set(metric.dimensions)


def test_every_metric_that_a_queue_sends_each_minute_is_shown(widgets: list[Widget]) -> None:
    shown = {terms["MetricName"] for _, terms, *_ in searches(widgets)}
    always = {metric for metric in Metric if metric.kind.sent is Sent.ALWAYS}
    assert always <= shown
    # Problems of a queue have an alarm, and no shape over time.
    assert {m for m in Metric if m.of_queue} - shown == {Metric.QUEUE_PROBLEMS}


def test_the_boxes_have_every_alarm_of_the_stack_and_of_its_first_queue(
    control: Resources, control_template: dict[str, Any], queue: Resources
) -> None:
    alarms = {n for n, each in control.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert set(dashboard.ALARMS) == alarms
    boxes = body_of(control)["widgets"][0]["properties"]["alarms"]
    names = {
        each["Properties"]["AlarmName"]
        for each in queue.values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert {each.rpartition(":")[2] for each in boxes[: len(names)]} == names
    assert len(boxes) == len(alarms) + len(names)
    without_queue = body_of(Deployment(control_template, "acme", {}).resources)
    assert len(without_queue["widgets"][0]["properties"]["alarms"]) == len(alarms)


def test_the_log_query_reads_every_functions_log_and_no_line_of_ticks(
    widgets: list[Widget], control: Resources
) -> None:
    (query,) = (each["properties"]["query"] for each in widgets if each["type"] == "log")
    groups = {
        each["Properties"]["LogGroupName"]
        for each in control.values()
        if each["Type"] == "AWS::Logs::LogGroup"
    }
    assert set(re.findall("SOURCE '([^']+)'", query)) == {g for g in groups if "lambda" in g}
    assert 'message != "tick"' in query
