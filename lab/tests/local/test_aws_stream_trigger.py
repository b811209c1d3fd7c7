"""The stream trigger of functions, with a function that only counts its calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto.dynamodb.exceptions import TransactionCanceledException

from local.function_lab import ARN, FAILED, CountedFunctions, a_world, spec
from local.waiting import eventually
from mayfly_lab.aws.functions.environment import Outcome
from mayfly_lab.aws.functions.functions import ThrottledError
from mayfly_lab.aws.triggers import stream
from mayfly_lab.aws.triggers.stream import StreamMapping, StreamTrigger
from mayfly_lab.aws.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as running:
        running.cloud.open()
        yield running
        running.cloud.close()


def left(sqs: Any, queue: str) -> int:
    return len(sqs.get_queue(queue)._messages)


@pytest.fixture
def table(world: World) -> Any:
    return world.cloud.backend("dynamodb").create_table(
        "mailbox",
        schema=[{"AttributeName": "key", "KeyType": "HASH"}],
        attr=[{"AttributeName": "key", "AttributeType": "S"}],
        throughput=None,
        billing_mode="PAY_PER_REQUEST",
        global_indexes=[],
        indexes=[],
        streams={"StreamViewType": "KEYS_ONLY"},
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "RETRY_SECONDS", 0.02)


@contextmanager
def following(
    world: World, table: Any, counted: CountedFunctions, **options: Any
) -> Iterator[StreamTrigger]:
    configuration = {
        "EventSourceArn": f"{table.table_arn}/stream/{table.latest_stream_label}",
        "FunctionArn": ARN,
        "StartingPosition": "LATEST",
        **options,
    }
    trigger = StreamTrigger(world, counted, StreamMapping.of(configuration))  # type: ignore[arg-type]
    trigger.start()
    yield trigger
    trigger.stop()


def write(world: World, *keys: str) -> None:
    backend = world.cloud.backend("dynamodb")
    for key in keys:
        backend.put_item("mailbox", {"key": {"S": key}, "secret": {"S": "bkjat_x"}})


def keys_of(event: dict[str, Any]) -> list[str]:
    return [record["dynamodb"]["Keys"]["key"]["S"] for record in event["Records"]]


def all_keys(counted: CountedFunctions) -> list[str]:
    return [key for event in counted.events for key in keys_of(event)]


def test_a_failed_transaction_leaves_no_record_and_the_trigger_goes_on(
    world: World, table: Any, tmp_path: Path
) -> None:
    backend = world.cloud.backend("dynamodb")
    put = {"TableName": "mailbox", "Item": {"key": {"S": "undone"}}}
    never = {**put, "Item": {"key": {"S": "x"}}, "ConditionExpression": "attribute_exists(#key)"}
    never["ExpressionAttributeNames"] = {"#key": "key"}
    counted = CountedFunctions(spec(tmp_path))
    with following(world, table, counted) as trigger:
        write(world, "before")
        trigger.written()
        eventually(lambda: all_keys(counted) == ["before"])
        with pytest.raises(TransactionCanceledException):
            backend.transact_write_items([{"Put": put}, {"Put": never}])
        write(world, "after")
        trigger.written()
        eventually(lambda: all_keys(counted) == ["before", "after"])
    assert backend.get_item("mailbox", {"key": {"S": "undone"}}) is None


def test_a_write_wakes_the_function_with_keys_only(
    world: World, table: Any, tmp_path: Path
) -> None:
    counted = CountedFunctions(spec(tmp_path))
    write(world, "before")
    with following(world, table, counted) as trigger:
        write(world, "a")
        trigger.written()
        eventually(lambda: all_keys(counted) == ["a"])
    record = counted.events[0]["Records"][0]
    assert record["eventName"] == "INSERT"
    assert record["eventSource"] == "aws:dynamodb"
    assert record["eventSourceARN"].startswith(table.table_arn)
    assert record["dynamodb"]["StreamViewType"] == "KEYS_ONLY"
    assert "bkjat" not in json.dumps(record)


def test_stream_records_arrive_in_order_and_in_batches(
    world: World, table: Any, tmp_path: Path
) -> None:
    counted = CountedFunctions(spec(tmp_path))
    with following(world, table, counted, BatchSize=2):
        write(world, *"abcde")
        eventually(lambda: all_keys(counted) == list("abcde"))
    assert max(len(keys_of(event)) for event in counted.events) == 2


def test_records_that_the_filter_drops_wake_no_function(
    world: World, table: Any, tmp_path: Path
) -> None:
    counted = CountedFunctions(spec(tmp_path))
    only_inserts = {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]}
    with following(world, table, counted, FilterCriteria=only_inserts):
        write(world, "a", "a", "b")
        eventually(lambda: all_keys(counted) == ["a", "b"])


def test_a_failing_record_is_isolated_by_bisection_and_dropped(
    world: World, table: Any, tmp_path: Path
) -> None:
    class Poisoned(CountedFunctions):
        def invoke(self, name: str, event: Any) -> Outcome:
            super().invoke(name, event)
            return FAILED if "poison" in keys_of(event) else Outcome("r")

    world.cloud.backend("sqs").create_queue("dead", {})
    counted = Poisoned(spec(tmp_path))
    with following(
        world,
        table,
        counted,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:dead"}},
    ):
        write(world, "a", "poison", "b", "c")
        eventually(lambda: left(world.cloud.backend("sqs"), "dead") == 1)
        write(world, "after")
        eventually(lambda: "after" in all_keys(counted))
    done = [keys_of(event) for event in counted.events if "poison" not in keys_of(event)]
    assert sorted(key for batch in done for key in batch) == ["a", "after", "b", "c"]
    assert [keys_of(event) for event in counted.events].count(["poison"]) == 2
    message = json.loads(world.cloud.backend("sqs").get_queue("dead")._messages[0].body)
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_batch_over_its_maximum_age_is_dropped(world: World, table: Any, tmp_path: Path) -> None:
    counted = CountedFunctions(spec(tmp_path), *[FAILED] * 9)
    with following(world, table, counted, MaximumRetryAttempts=9, MaximumRecordAgeInSeconds=0):
        write(world, "a")
        eventually(lambda: world.journal.select(operation="BatchGivenUp"))
    assert len(counted.events) == 1


def test_a_throttled_batch_is_retried_without_limit(
    world: World, table: Any, tmp_path: Path
) -> None:
    counted = CountedFunctions(spec(tmp_path), *[ThrottledError] * 3)
    with following(world, table, counted, MaximumRetryAttempts=0):
        write(world, "a")
        eventually(lambda: len(counted.events) == 4)
    assert not world.journal.select(operation="BatchGivenUp")


@pytest.mark.parametrize(("fault", "times"), [("event-lost", 0), ("event-doubled", 2)])
def test_stream_batches_can_be_lost_and_duplicated(
    world: World, table: Any, tmp_path: Path, fault: str, times: int
) -> None:
    counted = CountedFunctions(spec(tmp_path))
    world.faults.parse(f"{fault}=dynamodb")
    with following(world, table, counted, BatchSize=1):
        write(world, "a")
        write(world, "b")
        eventually(lambda: "b" in all_keys(counted))
    assert all_keys(counted).count("a") == times
