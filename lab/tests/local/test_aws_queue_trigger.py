"""The queue trigger of functions, with a function that only counts its calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.function_lab import ARN, FAILED, CountedFunctions, a_world, spec
from local.waiting import eventually
from mayfly_lab.aws.functions.environment import Outcome
from mayfly_lab.aws.triggers.queue import QueueMapping, QueueTrigger
from mayfly_lab.aws.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as running:
        running.cloud.open()
        yield running
        running.cloud.close()


@pytest.fixture
def sqs(world: World) -> Any:
    backend = world.cloud.backend("sqs")
    backend.create_queue("dead", {})
    dead = "arn:aws:sqs:us-east-1:123456789012:dead"
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    backend.create_queue("nudge", {}, VisibilityTimeout=1, RedrivePolicy=policy)
    return backend


@contextmanager
def polling(world: World, counted: CountedFunctions, **options: Any) -> Iterator[QueueTrigger]:
    configuration = {
        "EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:nudge",
        "FunctionArn": ARN,
        **options,
    }
    trigger = QueueTrigger(world, counted, QueueMapping.of(configuration))  # type: ignore[arg-type]
    trigger.start()
    yield trigger
    trigger.stop()


def send(sqs: Any, *bodies: str) -> None:
    for body in bodies:
        sqs.send_message("nudge", body)


def left(sqs: Any, queue: str = "nudge") -> int:
    return len(sqs.get_queue(queue)._messages)


def bodies(event: dict[str, Any]) -> list[str]:
    return [record["body"] for record in event["Records"]]


def test_messages_arrive_in_batches_and_are_deleted_after_success(
    world: World, sqs: Any, tmp_path: Path
) -> None:
    counted = CountedFunctions(spec(tmp_path))
    send(sqs, *"abc")
    with polling(world, counted, BatchSize=2):
        eventually(lambda: left(sqs) == 0)
    assert sorted(body for event in counted.events for body in bodies(event)) == ["a", "b", "c"]
    assert max(len(bodies(event)) for event in counted.events) == 2
    record = counted.events[0]["Records"][0]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(":nudge")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"


def test_a_failed_batch_is_redelivered_and_ends_in_the_dead_letter_queue(
    world: World, sqs: Any, tmp_path: Path
) -> None:
    counted = CountedFunctions(spec(tmp_path), *[FAILED] * 9)
    send(sqs, "bad")
    with polling(world, counted):
        eventually(lambda: left(sqs, "dead") == 1)
    assert len(counted.events) == 2
    assert left(sqs) == 0


def test_only_messages_reported_as_failed_are_redelivered(
    world: World, sqs: Any, tmp_path: Path
) -> None:
    class Reporting(CountedFunctions):
        def invoke(self, name: str, event: Any) -> Outcome:
            super().invoke(name, event)
            failed = [each["messageId"] for each in event["Records"] if each["body"] == "bad"]
            return Outcome("r", {"batchItemFailures": [{"itemIdentifier": e} for e in failed]})

    counted = Reporting(spec(tmp_path))
    send(sqs, "good", "bad")
    with polling(world, counted, FunctionResponseTypes=["ReportBatchItemFailures"]):
        eventually(lambda: left(sqs, "dead") == 1)
    assert sum(bodies(event).count("good") for event in counted.events) == 1
    assert sum(bodies(event).count("bad") for event in counted.events) == 2


@pytest.mark.parametrize(
    "result", [{"batchItemFailures": [{"itemIdentifier": "stranger"}]}, {"batchItemFailures": [1]}]
)
def test_an_invalid_batch_report_fails_the_whole_batch(
    world: World, sqs: Any, tmp_path: Path, result: Any
) -> None:
    counted = CountedFunctions(spec(tmp_path), Outcome("r", result))
    send(sqs, "a")
    with polling(world, counted, FunctionResponseTypes=["ReportBatchItemFailures"]):
        eventually(lambda: len(counted.events) == 2 and left(sqs) == 0)


def test_a_batch_report_is_ignored_unless_the_trigger_enables_it(
    world: World, sqs: Any, tmp_path: Path
) -> None:
    counted = CountedFunctions(
        spec(tmp_path), Outcome("r", {"batchItemFailures": [{"itemIdentifier": "x"}]})
    )
    send(sqs, "a")
    with polling(world, counted):
        eventually(lambda: left(sqs) == 0)
    assert len(counted.events) == 1


def test_sending_a_message_does_not_wait_for_the_function(
    world: World, sqs: Any, tmp_path: Path
) -> None:
    sqs.get_queue("nudge").lambda_event_source_mappings[ARN] = object()
    with polling(world, CountedFunctions(spec(tmp_path))):
        send(sqs, "a")  # stock moto would invoke a container in this call
        eventually(lambda: left(sqs) == 0)


def test_a_batch_can_be_delivered_twice(world: World, sqs: Any, tmp_path: Path) -> None:
    counted = CountedFunctions(spec(tmp_path))
    world.faults.parse("event-doubled=sqs")
    send(sqs, "a")
    with polling(world, counted):
        eventually(lambda: len(counted.events) == 2 and left(sqs) == 0)
