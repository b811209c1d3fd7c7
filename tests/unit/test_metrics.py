"""Every metric is sent by a function that may send it, and no undeclared metric is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mayfly import invoke, metrics, wiring
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.mailbox import DynamoMailbox
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.answers import Ec2Instance
from mayfly.errors import Conflict, NotFound, TokenRefused, Transient
from mayfly.events import Nudged
from mayfly.metrics import Dimension, Metric, Sent, Service, Unit
from mayfly.observe import FunctionFailed, Handler
from mayfly.records.brakes import TRIP
from mayfly.records.changes import Save
from mayfly.records.states import InstanceState
from tests.unit.builders import QUEUE, TYPES
from tests.unit.function_log import SETTINGS, Invoked, function_log
from tests.unit.hosts import POWER_OFF
from tests.unit.world import World, a_warm_world, a_world, launched, running, wanting

NAMED = re.compile(r"\bMetric\.([A-Z_]+)\b")
BY_NAME = {each.value: each for each in Metric}
CONTROL_PLANE = Path(metrics.__file__).parent
SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event"}


# -- a story for each metric -----------------------------------------------------------------------


def a_bad_parameter() -> World:
    world = a_world()
    world.configure(**{"pool/hot": "many"})
    return world


def no_capacity() -> World:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    return world


def boots_that_fail() -> World:
    world = wanting("job-1")
    for _ in range(TRIP):
        world.provision()
        (coming,) = world.instances(InstanceState.LAUNCHING)
        world.machines.end(str(coming.instance_id), POWER_OFF)
        world.reap()
    return world


def many_strays() -> World:
    world = launched()
    for number in range(4):
        unknown = Ec2Instance(
            f"i-stray{number}", "running", "no-such-launch", QUEUE, world.clock.now
        )
        world.machines.intrude(unknown)
    return world


def a_lost_race() -> World:
    world = wanting("job-1")
    world.fleet.fail_next("write", Conflict("another tick was first"))
    return world


def a_throttle() -> World:
    world = launched()
    world.fleet.fail_next("queues", Transient("throttled"))
    return world


def a_table_that_is_gone() -> World:
    world = launched()
    world.fleet.fail_next("queues", NotFound("no such table"))
    return world


def a_job_that_matches_nothing() -> World:
    world = a_world()
    world.schedule("job-1", rules=("gpu=yes",))
    return world


class ForeignReports:
    """A DynamoDB client; every mailbox row holds a report in an unreadable form."""

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - boto3's name
        ((table, asked),) = RequestItems.items()
        rows = [{**key, "report": {"S": "hello"}} for key in asked["Keys"]]
        return {"Responses": {table: rows}, "UnprocessedKeys": {}}


def an_unreadable_report() -> World:
    world = launched()
    client: Any = ForeignReports()
    world.mailbox = DynamoMailbox(client, "mailbox")  # type: ignore[assignment]
    return world


def an_unreadable_policy() -> World:
    world = a_world()
    world.configure(**{"policy/rules/main": "branch main"})
    return world


class ForeignRows:
    """A DynamoDB client; its index holds one queue record in an unreadable form."""

    def get_paginator(self, name: str) -> Any:
        assert name == "query"
        return self

    def paginate(self, **asked: object) -> Any:
        del asked
        return [{"Items": [{"pk": {"S": "queue#deploy"}}]}]


def an_unreadable_row() -> World:
    world = a_world()
    client: Any = ForeignRows()
    world.fleet = DynamoFleet(client, Tables("fleet", "mailbox"))  # type: ignore[assignment]
    return world


def a_job_that_waits() -> World:
    return no_capacity().after(6)


def an_accepted_job() -> World:
    world = a_warm_world()
    world.schedule("job-1")
    world.after(seconds=2).dispatch()
    world.accept("job-1")
    return world


def a_stopped_instance() -> World:
    world = a_warm_world()
    stopped = replace(world.instance(), state=InstanceState.STOPPED)
    world.fleet.write([Save(stopped)])
    return world


def a_stopped_pool() -> World:
    return a_world(**{"pool/stopped": "3"})


def a_denied_job() -> World:
    world = a_world(**{"policy/rules/main": "branch=main"})
    world.schedule("job-1", branch="other")
    return world


def a_full_queue() -> World:
    world = wanting("job-1", "job-2", **{"limits/max-instances": "1"})
    world.provision()
    return world


def a_lost_spot_instance() -> World:
    world = running()
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination")
    return world


def a_boot_that_failed() -> World:
    world = launched()
    world.machines.end(str(world.instance().instance_id), POWER_OFF)
    return world


def a_refused_token() -> World:
    world = a_world()
    world.buildkite.fail_next("register", TokenRefused("401"), times=99)
    return world


@dataclass(frozen=True, slots=True)
class Story:
    """A world in which one invocation of a function sends the metric with the value `times`."""

    service: Service
    world: Callable[[], World]
    times: int = 1


STORIES = {
    Metric.BAD_CONFIGURATION: Story(Service.PROVISION, a_bad_parameter),
    Metric.TOKEN_REFUSED: Story(Service.DISPATCH, a_refused_token),
    Metric.NO_CAPACITY: Story(Service.PROVISION, no_capacity),
    Metric.BRAKED: Story(Service.PROVISION, boots_that_fail),
    Metric.STRAYS: Story(Service.REAP, many_strays),
    Metric.LEFT_CONFLICT: Story(Service.PROVISION, a_lost_race),
    Metric.LEFT_TRANSIENT: Story(Service.SANDBOX, a_throttle),
    Metric.LEFT_NOT_FOUND: Story(Service.REAP, a_table_that_is_gone),
    Metric.LEFT_NO_MATCH: Story(Service.DISPATCH, a_job_that_matches_nothing),
    Metric.UNREADABLE_POLICY: Story(Service.PROVISION, an_unreadable_policy),
    Metric.UNREADABLE_ELEMENT: Story(Service.SANDBOX, an_unreadable_row),
    Metric.UNREADABLE_REPORT: Story(Service.SANDBOX, an_unreadable_report, times=2),
    Metric.QUEUE_PROBLEMS: Story(Service.PROVISION, boots_that_fail),
    Metric.JOBS_WAITING: Story(Service.DISPATCH, a_job_that_waits),
    Metric.OLDEST_WAIT: Story(Service.DISPATCH, a_job_that_waits, times=360),
    Metric.WAIT_SECONDS: Story(Service.DISPATCH, an_accepted_job, times=2),
    Metric.DENIED: Story(Service.DISPATCH, a_denied_job),
    Metric.HELD: Story(Service.PROVISION, a_full_queue),
    Metric.HOT: Story(Service.PROVISION, a_warm_world),
    Metric.HOT_TARGET: Story(Service.PROVISION, a_warm_world),
    Metric.COMING: Story(Service.PROVISION, launched),
    Metric.STOPPED: Story(Service.PROVISION, a_stopped_instance),
    Metric.STOPPED_TARGET: Story(Service.PROVISION, a_stopped_pool, times=3),
    Metric.RUNNING: Story(Service.PROVISION, running),
    Metric.LIMIT: Story(Service.PROVISION, a_world, times=50),
    Metric.LAUNCHES_FAILED: Story(Service.PROVISION, no_capacity),
    Metric.HOSTS_FAILED: Story(Service.REAP, a_boot_that_failed),
    Metric.SPOT_LOST: Story(Service.REAP, a_lost_spot_instance),
}
HANDLERS: dict[Service, Handler] = {
    Service.DISPATCH: invoke.dispatch,
    Service.PROVISION: invoke.provision,
    Service.SANDBOX: invoke.sandbox,
    Service.REAP: invoke.reap,
}


@dataclass(frozen=True, slots=True)
class Owner:
    """The settings that the handler of dispatch reads."""

    account: str = "123456789012"
    region: str = "eu-central-1"
    stack: str = "ci"


DISPATCH = Owner()


@pytest.fixture
def invoked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Service, World], list[dict[str, Any]]]:
    """Invokes a function in a world; returns the printed lines with metrics."""

    def run(service: Service, world: World) -> list[dict[str, Any]]:
        ports = getattr(world, f"{service}_ports")
        monkeypatch.setattr(wiring, service, lambda: ports)
        monkeypatch.setattr(wiring, "settings", lambda kind: DISPATCH)
        monkeypatch.setattr(invoke, "utc_now", world.clock)
        changed = SETTINGS.model_copy(update={"service": service})
        # EC2's answers to launches, and the ends of instances, need a moment of the invocation's.
        loops = service in {Service.DISPATCH, Service.SANDBOX}
        context = Invoked() if loops else Invoked(milliseconds=8500)
        # A refused token ends the invocation with an error.
        with function_log(monkeypatch, changed), suppress(FunctionFailed):
            HANDLERS[service](SCHEDULE, context)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_every_metric_has_a_story() -> None:
    assert STORIES.keys() == set(Metric)


@pytest.mark.parametrize("metric", Metric)
def test_a_metric_is_sent_with_its_unit_and_dimensions(
    metric: Metric, invoked: Callable[[Service, World], list[dict[str, Any]]]
) -> None:
    story = STORIES[metric]
    lines = invoked(story.service, story.world())
    (sent,) = (line for line in lines if metric in line)
    assert sum(sent[metric]) == story.times
    (directive,) = sent["_aws"]["CloudWatchMetrics"]
    assert {"Name": metric, "Unit": metric.unit} in directive["Metrics"]
    assert directive["Namespace"] == metrics.NAMESPACE
    assert [set(names) for names in directive["Dimensions"]] == [set(metric.dimensions)]
    values = {
        Dimension.SERVICE: story.service,
        Dimension.STACK: "ci",
        Dimension.QUEUE: QUEUE,
        Dimension.PATH: "hot",
        Dimension.CAUSE: {Metric.HELD: "max-instances"}.get(metric, "no-capacity"),
    }
    assert {name: sent[name] for name in metric.dimensions} == {
        name: values[name] for name in metric.dimensions
    }
    assert sent["_aws"]["Timestamp"] > 0
    assert story.service in metric.services
    names = {
        each["Name"] for line in lines for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }
    of_queue = {each for each in names if BY_NAME[each].of_queue}
    assert names - of_queue - {metric} <= {Metric.BAD_CONFIGURATION, *ALONG.get(metric, ())}


ALONG = {
    Metric.QUEUE_PROBLEMS: {Metric.BRAKED},
    Metric.LAUNCHES_FAILED: {Metric.NO_CAPACITY},
}
"""Metrics of functions that a queue's metric comes with."""


@pytest.mark.parametrize("service", Service)
def test_an_invocation_without_a_finding_sends_zero_bad_configuration(
    service: Service, invoked: Callable[[Service, World], list[dict[str, Any]]]
) -> None:
    sent = invoked(service, a_world())
    names = [
        each["Name"] for line in sent for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    ]
    gauges = [m for m in Metric if m.kind.sent is Sent.ALWAYS and service in m.services]
    assert sorted(names) == sorted([Metric.BAD_CONFIGURATION, *gauges])
    (zero,) = (line for line in sent if Metric.BAD_CONFIGURATION in line)
    assert zero[Metric.BAD_CONFIGURATION] == [0]


def test_a_nudge_sends_no_gauge_so_that_the_number_of_lines_does_not_rise_with_the_jobs(
    invoked: Callable[[Service, World], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoke, "parse", lambda _: Nudged(1))
    gauges = {metric for metric in Metric if metric.kind.sent is Sent.ALWAYS}
    for service in Service:
        if service is not Service.DISPATCH:  # nothing nudges it
            assert not [line for line in invoked(service, a_warm_world()) if gauges & line.keys()]


def test_an_idle_queue_costs_seven_metrics() -> None:
    """README.md and docs/operating.md name the price."""
    always = [metric for metric in Metric if metric.of_queue and metric.kind.sent is Sent.ALWAYS]
    assert len(always) == 7
    assert all(metric.part is None for metric in always)


def test_an_invocation_of_dispatch_that_nobody_answered_fails_so_that_an_alarm_goes_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = a_world()
    world.buildkite.fail_next("register", Transient("no answer"), times=99)
    monkeypatch.setattr(wiring, "dispatch", lambda: world.dispatch_ports)
    monkeypatch.setattr(wiring, "settings", lambda kind: DISPATCH)
    monkeypatch.setattr(invoke, "utc_now", world.clock)
    changed = SETTINGS.model_copy(update={"service": Service.DISPATCH})
    with function_log(monkeypatch, changed), pytest.raises(FunctionFailed, match="did not answer"):
        invoke.dispatch(SCHEDULE, Invoked())


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", Metric)
def test_a_metric_is_described_in_one_sentence(metric: Metric) -> None:
    assert metric.meaning[0].isupper()
    assert metric.meaning.endswith(".")
    assert metric.unit in Unit
    assert metric.services
    assert set(metric.services) <= set(Service)


# -- the code --------------------------------------------------------------------------------------


@cache
def uses() -> frozenset[tuple[str, str]]:
    """Name of every member of Metric in the control plane's code, with the path of its module."""
    paths = [(path, path.relative_to(CONTROL_PLANE)) for path in CONTROL_PLANE.rglob("*.py")]
    return frozenset((n, str(p)) for path, p in paths for n in NAMED.findall(path.read_text()))


def test_every_metric_is_named_where_it_is_counted() -> None:
    assert {name for name, _ in uses()} == {metric.name for metric in Metric}


@pytest.mark.parametrize("service", Service)
def test_a_functions_folder_names_only_metrics_that_it_may_send(service: Service) -> None:
    for name, module in uses():
        if module.startswith(f"{service}/"):
            assert service in Metric[name].services, f"{module} counts {name}"


def test_only_observe_sends_metrics() -> None:
    doors = {
        path.relative_to(CONTROL_PLANE).as_posix()
        for path in CONTROL_PLANE.rglob("*.py")
        if any(way in path.read_text() for way in ("add_metric", "put_metric_data", '_aws"'))
    }
    assert doors == {"observe.py"}
