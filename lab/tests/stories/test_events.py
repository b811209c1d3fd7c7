"""Events that are lost, delivered twice, or overlap a running tick."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from mayfly_lab.aws.functions.functions import ThrottledError
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

pytestmark = pytest.mark.slow

QUEUE, POOL = "default", "pool"
MINUTE = 4.0
"""Seconds for a minute of the schedules in these stories."""
EVENTS = ("aws.ec2/*", "aws.ssm/*", "dynamodb", "sqs")
FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(QUEUE, POOL), delays=replace(QUICK, minute=MINUTE), boot_seconds=BOOT
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


def assert_one_instance_ran(stage: Stage, job: str, before: int) -> None:
    """Assert that the job had one instance, launched, sandboxed and bound once."""
    (instance,) = stage.instances(QUEUE)[before:]
    assert instance.job == job
    assert len(stage.assignments(job)) == 1
    calls = stage.lab.aws.journal.select(
        operation="ReplaceIamInstanceProfileAssociation", about=instance.pinned.sandbox_profile
    )
    assert sum(call.ok for call in calls) == len([i for i in stage.instances(QUEUE) if i.proven])
    stage.gone(instance.instance_id or "")


def test_without_any_event_everything_happens_a_little_later(stage: Stage) -> None:
    faults = stage.lab.aws.faults
    for event in EVENTS:
        faults.set("event-lost", event, count=10_000)
    before = len(stage.instances(QUEUE))
    job = stage.push(QUEUE)
    stage.lab.put_parameter(POOL, "pool/hot", "1")
    assert stage.ended(job).outcome == "passed"
    assert_one_instance_ran(stage, job, before)
    stage.ready(POOL)
    stage.lab.put_parameter(POOL, "pool/hot", "0")
    lost = [e.operation for e in stage.lab.aws.journal if e.operation in {"EventLost", "BatchLost"}]
    assert {"EventLost", "BatchLost"} <= set(lost)
    faults.clear("event-lost")


def test_events_that_come_twice_do_nothing_twice(stage: Stage) -> None:
    faults = stage.lab.aws.faults
    for event in (*EVENTS, "aws.events/*"):
        faults.set("event-doubled", event, count=10_000)
    before = len(stage.instances(QUEUE))
    job = stage.push(QUEUE)
    assert stage.ended(job).outcome == "passed"
    assert_one_instance_ran(stage, job, before)
    faults.clear("event-doubled")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_ticks_that_overlap_do_nothing_twice(stage: Stage, function: str) -> None:
    before = len(stage.instances(QUEUE))
    job = stage.push(QUEUE)
    over = threading.Event()

    def tick_on() -> None:
        while not over.wait(0.02):
            # Beside the schedule's invocations, the function's limit may leave no room for all.
            with suppress(ThrottledError):
                stage.tick(function)

    ticking = [threading.Thread(target=tick_on, daemon=True) for _ in range(3)]
    for each in ticking:
        each.start()
    assert stage.ended(job).outcome == "passed"
    assert_one_instance_ran(stage, job, before)
    over.set()
    for each in ticking:
        each.join()


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
