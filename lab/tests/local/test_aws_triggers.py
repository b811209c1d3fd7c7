"""Asynchronous invocations, schedules and rules. No function runs; calls are only counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.function_lab import ARN, FAILED, CountedFunctions, a_world, spec
from local.waiting import eventually
from mayfly_lab.aws.bus import EventBus, payload
from mayfly_lab.aws.functions.functions import ThrottledError
from mayfly_lab.aws.triggers import asynchronous
from mayfly_lab.aws.triggers.asynchronous import AsyncInvoker
from mayfly_lab.aws.triggers.schedules import Schedules, seconds_until
from mayfly_lab.aws.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as running:
        yield running


# ------------------------------------------------------------------ asynchronous invocation


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "RETRY_SECONDS", (0.02, 0.04))
    monkeypatch.setattr(asynchronous, "FIRST_BACKOFF_SECONDS", 0.02)


def submitted(world: World, counted: CountedFunctions) -> AsyncInvoker:
    invoker = AsyncInvoker(world, counted)  # type: ignore[arg-type]
    invoker.submit(ARN, {"n": 1})
    return invoker


def dropped(world: World) -> list[str]:
    return [entry.resources["reason"] for entry in world.journal.select(operation="EventDropped")]


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (2, 3)])
def test_an_event_is_retried_as_often_as_configured(
    world: World, tmp_path: Path, retries: int, attempts: int
) -> None:
    counted = CountedFunctions(spec(tmp_path, max_retries=retries), *[FAILED] * 9)
    invoker = submitted(world, counted)
    eventually(lambda: dropped(world) == ["RetriesExhausted"])
    assert len(counted.events) == attempts
    invoker.stop()


def test_a_successful_retry_ends_the_retries(world: World, tmp_path: Path) -> None:
    counted = CountedFunctions(spec(tmp_path, max_retries=2), FAILED)
    invoker = submitted(world, counted)
    eventually(lambda: len(counted.events) == 2)
    invoker.stop()
    assert dropped(world) == []


def test_a_throttled_event_waits_and_uses_no_retry(world: World, tmp_path: Path) -> None:
    counted = CountedFunctions(spec(tmp_path, max_retries=0), *[ThrottledError] * 2)
    invoker = submitted(world, counted)
    eventually(lambda: len(counted.events) == 3)
    invoker.stop()
    assert dropped(world) == []


def test_an_event_over_its_maximum_age_is_dropped(world: World, tmp_path: Path) -> None:
    counted = CountedFunctions(spec(tmp_path, max_event_age=0.05), *[ThrottledError] * 99)
    invoker = submitted(world, counted)
    eventually(lambda: dropped(world) == ["Throttled: EventAgeExceeded"])
    invoker.stop()


# ------------------------------------------------------------------ schedules

NOON = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(2 hours)", 7200),
        ("rate(1 day)", 86400),
        ("cron(* * * * ? *)", 30),
        ("cron(0/15 * * * ? *)", 14 * 60 + 30),
        ("cron(5,7 * * * ? *)", 4 * 60 + 30),
        ("cron(10-12 13 * * ? *)", 69 * 60 + 30),
        ("cron(0 12 * * ? *)", 86400 - 30),
    ],
)
def test_a_schedule_fires_at_the_times_of_its_expression(expression: str, seconds: float) -> None:
    assert seconds_until(expression, NOON) == seconds


@pytest.mark.parametrize(
    "expression", ["rate(1 week)", "at(2026-01-01)", "cron(0 12 1 * ? *)", "cron(61 * * * ? *)"]
)
def test_an_unsupported_schedule_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"lab supports|no numbers"):
        seconds_until(expression, NOON)


# ------------------------------------------------------------------ rules


class Target:
    """Collects the events that rules deliver."""

    def __init__(self) -> None:
        self.delivered: list[tuple[str, Any]] = []

    def __call__(self, target: Any, event: Any, rule: str) -> None:
        assert rule.startswith("arn:aws:events:us-east-1:123456789012:rule/")
        self.delivered.append((target["Arn"], payload(target, event)))


@pytest.fixture
def events(world: World) -> Iterator[Any]:
    world.cloud.open()
    yield world.cloud.backend("events")
    world.cloud.close()


def rule(events: Any, name: str, pattern: str, **target: Any) -> None:
    events.put_rule(name, event_pattern=pattern)
    events.put_targets(name=name, event_bus_arn=None, targets=[{"Id": "1", "Arn": ARN, **target}])


STOPPED = '{"source": ["aws.ec2"], "detail": {"state": ["stopped", "terminated"]}}'


def change(bus: EventBus, state: str) -> None:
    detail = {"instance-id": "i-1", "state": state}
    bus.emit("aws.ec2", "EC2 Instance State-change Notification", detail)


def test_an_event_reaches_the_targets_of_the_rules_that_match(world: World, events: Any) -> None:
    target = Target()
    bus = EventBus(world, target)
    rule(events, "stopped", STOPPED)
    change(bus, "running")
    change(bus, "terminated")
    eventually(lambda: target.delivered)
    (arn, event), *others = target.delivered
    assert (arn, others) == (ARN, [])
    assert event["detail"] == {"instance-id": "i-1", "state": "terminated"}
    assert event["source"] == "aws.ec2"
    assert event["resources"] == ["arn:aws:ec2:us-east-1:123456789012:instance/i-1"]
    assert datetime.fromisoformat(event["time"])


def test_a_disabled_rule_delivers_nothing(world: World, events: Any) -> None:
    target = Target()
    bus = EventBus(world, target)
    rule(events, "off", STOPPED)
    events.disable_rule("off", None)
    rule(events, "on", STOPPED, Input='{"constant": true}')
    change(bus, "stopped")
    eventually(lambda: target.delivered)
    assert target.delivered == [(ARN, {"constant": True})]


def test_a_target_with_an_input_transformer_is_refused_with_a_reason() -> None:
    with pytest.raises(NotImplementedError, match="InputPath"):
        payload({"Arn": ARN, "InputPath": "$.detail"}, {})


@pytest.mark.parametrize(("fault", "count"), [("event-lost", 0), ("event-doubled", 2)])
def test_events_can_be_lost_and_duplicated(
    world: World, events: Any, fault: str, count: int
) -> None:
    target = Target()
    bus = EventBus(world, target)
    rule(events, "stopped", STOPPED)
    world.faults.parse(f"{fault}=aws.ec2/*,count=1")
    change(bus, "stopped")
    change(bus, "terminated")  # the fault is used up
    eventually(lambda: len(target.delivered) == count + 1)
    assert [each["detail"]["state"] for _, each in target.delivered].count("stopped") == count


def test_events_can_be_delayed(world: World, events: Any) -> None:
    target = Target()
    bus = EventBus(world, target)
    rule(events, "stopped", STOPPED)
    world.faults.parse("event-late=aws.ec2/*,value=100ms")
    change(bus, "stopped")
    change(bus, "terminated")
    eventually(lambda: len(target.delivered) == 2)
    assert [each["detail"]["state"] for _, each in target.delivered] == ["terminated", "stopped"]


def a_schedule(events: Any, name: str = "tick") -> Any:
    events.put_rule(name, scheduled_expression="rate(1 minute)")
    events.put_targets(name=name, event_bus_arn=None, targets=[{"Id": "1", "Arn": ARN}])
    return events.describe_rule(name, None)


def test_a_schedule_fires_first_after_the_stated_delay(world: World, events: Any) -> None:
    target = Target()
    a_schedule(events)
    Schedules(world, target).start()
    eventually(lambda: target.delivered)
    event = target.delivered[0][1]
    assert (event["detail-type"], event["source"]) == ("Scheduled Event", "aws.events")
    assert event["resources"][0].endswith(":rule/tick")


def test_starting_schedules_again_fires_only_the_new_ones(world: World, events: Any) -> None:
    target = Target()
    schedules = Schedules(world, target)
    a_schedule(events)
    schedules.start()
    eventually(lambda: len(target.delivered) == 1)
    a_schedule(events, "second")
    schedules.start()
    eventually(lambda: len(target.delivered) == 2)


def test_a_schedule_fires_again_and_again_until_it_is_disabled(world: World, events: Any) -> None:
    target = Target()
    rule_ = a_schedule(events)
    short = replace(world.config, delays=replace(world.delays, minute=0.02))
    Schedules(replace(world, config=short), target).start()
    eventually(lambda: len(target.delivered) >= 3)
    rule_.disable()
    quiet = eventually(lambda: _settled(target))
    assert quiet


def _settled(target: Target) -> bool:
    before = len(target.delivered)
    time.sleep(0.1)
    return len(target.delivered) == before
