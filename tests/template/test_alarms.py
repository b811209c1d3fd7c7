"""Every alarm of both templates watches a metric that is sent with the alarm's dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mayfly.metrics import NAMESPACE, Dimension, Failed, Metric, Sent
from tests.template.conftest import Resources

AWS_METRICS = {
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Invocations"): {"FunctionName"},
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): {"QueueName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
}
"""Dimensions of AWS's own metrics that alarms may watch.

Sources: Lambda developer guide, "Types of metrics for Lambda functions"; SQS developer guide,
"Available CloudWatch metrics for Amazon SQS".
"""
BY_NAME = {metric.value: metric for metric in Metric}
CHECKED = {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"}
"""Types of resources that name metrics and are checked, here or in test_dashboard.py."""
TYPES_THAT_NAME_METRICS = (
    "AWS::CloudWatch::",
    "AWS::Logs::MetricFilter",
    "AWS::ApplicationSignals::",
    "AWS::ApplicationAutoScaling::",
)


@dataclass(frozen=True, slots=True)
class Watched:
    """A metric with dimensions, as an alarm names it."""

    alarm: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def watched(resources: Resources) -> list[Watched]:
    """All metrics of all alarms, in either of CloudWatch's two forms."""
    return [
        Watched(
            name,
            metric["Namespace"],
            metric["MetricName"],
            tuple((each["Name"], each["Value"]) for each in metric.get("Dimensions", ())),
        )
        for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        for metric in _metrics(resource["Properties"])
    ]


def _metrics(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "MetricName" in properties:
        yield properties
    for query in properties.get("Metrics", ()):
        if "MetricStat" in query:
            yield query["MetricStat"]["Metric"]


def problems(watched: Watched, stack: str, queue: str = "") -> list[str]:
    """Reasons why CloudWatch never gets data for this metric; empty if it does."""
    dimensions = dict(watched.dimensions)
    if watched.namespace != NAMESPACE:
        known = AWS_METRICS.get((watched.namespace, watched.name))
        if known is None:
            return [f"{watched.namespace}/{watched.name} is not a known metric"]
        return [] if dimensions.keys() == known else [f"its dimensions are {sorted(known)}"]
    if watched.name not in BY_NAME:
        return [f"{watched.name} is not in mayfly.metrics.Metric"]
    metric = BY_NAME[watched.name]
    if dimensions.keys() != set(metric.dimensions):
        return [f"its dimensions are {sorted(metric.dimensions)}"]
    found = []
    if dimensions.get(Dimension.SERVICE, metric.services[0]) not in metric.services:
        found.append(f"{dimensions[Dimension.SERVICE]} does not send {watched.name}")
    if dimensions[Dimension.STACK] != stack:
        found.append(f"the dimension {Dimension.STACK} is not the stack's name")
    if dimensions.get(Dimension.QUEUE, queue) != queue:
        found.append(f"the dimension {Dimension.QUEUE} is not the queue's key")
    return found


@pytest.mark.parametrize("template", ["control", "queue", "full_queue"])
def test_every_alarm_watches_a_metric_that_is_sent(
    template: str, request: pytest.FixtureRequest
) -> None:
    resources: Resources = request.getfixturevalue(template)
    found = {each: problems(each, "acme", "linux") for each in watched(resources)}
    assert not {each: why for each, why in found.items() if why}


def test_the_check_finds_every_alarm_and_its_metrics(control: Resources) -> None:
    alarms = {n for n, each in control.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert {each.alarm for each in watched(control)} == alarms
    assert {each.name for each in watched(control) if each.namespace == NAMESPACE} == {
        Metric.BAD_CONFIGURATION,
        Metric.BRAKED,
        Metric.NO_CAPACITY,
        Metric.STRAYS,
        Metric.TOKEN_REFUSED,
        Metric.UNREADABLE_ELEMENT,
        Metric.UNREADABLE_POLICY,
    }


def test_an_alarm_watches_its_metric_of_every_function_that_sends_it(control: Resources) -> None:
    """An alarm without a function stays silent when that function sends the metric."""
    ours = [each for each in watched(control) if each.namespace == NAMESPACE]
    for name in {each.name for each in ours}:
        services = {dict(each.dimensions)["service"] for each in ours if each.name == name}
        assert services == set(BY_NAME[name].services), name


@pytest.mark.parametrize("template", ["control_template", "queue_template"])
def test_only_alarms_name_metrics(template: str, request: pytest.FixtureRequest) -> None:
    """A dashboard or a metric filter would need the same check as alarms."""
    resources = request.getfixturevalue(template)["Resources"]
    kinds = {each["Type"] for each in resources.values()}
    assert {kind for kind in kinds if kind.startswith(TYPES_THAT_NAME_METRICS)} <= CHECKED


def alarms(resources: Resources) -> dict[str, dict[str, Any]]:
    """Properties of every alarm, by logical id."""
    return {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }


def test_the_name_of_a_queues_alarm_has_the_queue_so_that_the_mail_says_it(
    queue: Resources,
) -> None:
    # A slash ends the queue's key, so that no two queues of an account share a name.
    assert {each["AlarmName"] for each in alarms(queue).values()} == {
        f"acme-queue/linux/{name}"
        for name in ("BadConfiguration", "JobsWaitTooLong", "HostsFail", "NoCapacity")
    }


@pytest.mark.parametrize("template", ["control", "queue"])
def test_every_alarm_says_by_which_command_one_goes_on(
    template: str, request: pytest.FixtureRequest
) -> None:
    for name, each in alarms(request.getfixturevalue(template)).items():
        said = each["AlarmDescription"]
        assert "`mayfly " in said, name
        # CloudWatch API reference, PutMetricAlarm: at most 1024 characters.
        assert len(said) <= 1024, name


def test_missing_data_is_no_alarm_unless_the_metric_is_sent_each_minute(
    queue: Resources, control: Resources
) -> None:
    """A metric that is sent on events alone says by its absence that nothing happened."""
    treated = {
        name: each["TreatMissingData"]
        for name, each in {**alarms(control), **alarms(queue)}.items()
    }
    others = {"DispatchSilent": "missing", "JobsWaitTooLong": "ignore"}
    assert {n: how for n, how in treated.items() if how != "notBreaching"} == others
    for watch in watched(queue):
        always = BY_NAME[watch.name].kind.sent is Sent.ALWAYS
        assert (treated[watch.alarm] == "ignore") is always


def test_an_alarm_of_launches_watches_causes_that_launches_have(queue: Resources) -> None:
    causes = {
        value
        for each in watched(queue)
        for name, value in each.dimensions
        if name == Dimension.CAUSE
    }
    assert causes == {Failed.NO_CAPACITY, Failed.TAKEN_BACK}


def test_a_queues_alarms_tell_its_owners_topic(queue: Resources, full_queue: Resources) -> None:
    for name in alarms(queue):
        assert "AlarmActions" not in queue[name]["Properties"]
        told = full_queue[name]["Properties"]
        assert (
            told["AlarmActions"]
            == told["OKActions"]
            == ["arn:aws:sns:eu-west-1:123456789012:linux"]
        )


BOTH = (("service", "provision"), ("stack", "acme"))


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (Watched("A", "Mayfly", "NoCapacity", BOTH), []),
        (Watched("A", "Mayfly", "NoCapacty", BOTH), ["NoCapacty is not in mayfly.metrics.Metric"]),
        (Watched("A", "Mayfly", "NoCapacity", BOTH[:1]), ["its dimensions are"]),
        (Watched("A", "Mayfly", "Strays", BOTH), ["provision does not send Strays"]),
        (
            Watched("A", "Mayfly", "NoCapacity", (BOTH[0], ("stack", "other"))),
            ["the dimension stack is not the stack's name"],
        ),
        (
            Watched("A", "Mayflies", "NoCapacity", BOTH),
            ["Mayflies/NoCapacity is not a known metric"],
        ),
        (Watched("A", "AWS/Lambda", "Error", ()), ["AWS/Lambda/Error is not a known metric"]),
        (Watched("A", "AWS/Lambda", "Errors", BOTH), ["its dimensions are ['FunctionName']"]),
    ],
)
def test_an_alarm_without_possible_data_is_reported_with_the_reason(
    metric: Watched, why: list[str]
) -> None:
    found = problems(metric, "acme")
    assert len(found) == len(why)
    assert all(text.startswith(part) for text, part in zip(found, why, strict=True))


def test_a_silent_dispatch_is_missed_by_the_minutes_in_which_reap_runs(control: Resources) -> None:
    """Missing data as breaching would be an alarm of each first deployment."""
    alarm = control["DispatchSilent"]["Properties"]
    total, zero, *metrics = alarm["Metrics"]
    assert (total["Expression"], zero["Expression"]) == ("SUM([dispatch, zero])", "0 * reap")
    watched = {
        each["Id"]: (
            each["MetricStat"]["Metric"]["MetricName"],
            each["MetricStat"]["Metric"]["Dimensions"],
        )
        for each in metrics
    }
    assert watched == {
        name: ("Invocations", [{"Name": "FunctionName", "Value": f"{name.capitalize()}Function"}])
        for name in ("dispatch", "reap")
    }
    assert alarm["TreatMissingData"] == "missing"
