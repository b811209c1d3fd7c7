"""A table's stream as the trigger of a function: batches in order, bisected on failure."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.events.models import EventPattern

from mayfly_lab.aws.functions.functions import Functions, ThrottledError
from mayfly_lab.aws.patterns import matches
from mayfly_lab.aws.world import World

RETRY_SECONDS = 1.0
_EVERY = 0.5
FOREVER = -1


@dataclass(frozen=True, slots=True)
class StreamMapping:
    """An event source mapping from a stream, as in the template."""

    stream_arn: str
    function: str
    batch_size: int
    window: float
    bisect: bool
    max_retries: int
    """-1 for no limit."""
    max_age: float
    """Seconds; -1 for no limit."""
    on_failure: str
    """ARN of the queue for failed batches, or empty."""
    patterns: tuple[str, ...]
    latest: bool

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> StreamMapping:
        """From the configuration of an event source mapping."""
        destination = (configuration.get("DestinationConfig") or {}).get("OnFailure") or {}
        criteria = (configuration.get("FilterCriteria") or {}).get("Filters") or ()
        retries = configuration.get("MaximumRetryAttempts")
        age = configuration.get("MaximumRecordAgeInSeconds")
        return cls(
            stream_arn=configuration["EventSourceArn"],
            function=configuration["FunctionArn"],
            batch_size=int(configuration.get("BatchSize") or 100),
            window=float(configuration.get("MaximumBatchingWindowInSeconds") or 0),
            bisect=bool(configuration.get("BisectBatchOnFunctionError")),
            max_retries=FOREVER if retries is None else int(retries),
            max_age=FOREVER if age is None else float(age),
            on_failure=str(destination.get("Destination") or ""),
            patterns=tuple(each["Pattern"] for each in criteria),
            latest=configuration.get("StartingPosition") == "LATEST",
        )

    @property
    def table(self) -> str:
        """The table's name."""
        return self.stream_arn.split("/")[1]


class StreamTrigger:
    """Follows the one shard of moto's stream. A failing batch blocks the shard, as in AWS."""

    def __init__(
        self,
        world: World,
        functions: Functions,
        mapping: StreamMapping,
    ) -> None:
        self._mapping = mapping
        self._functions = functions
        self._world = world
        self._tables = world.cloud.backend("dynamodb")
        table = self._tables.get_table(mapping.table)
        # Otherwise moto would invoke the function itself, inside the write.
        table.lambda_event_source_mappings.clear()
        self._shard_id = table.stream_shard.id
        self._next = len(table.stream_shard.items) if mapping.latest else 0
        self._patterns = [EventPattern.load(pattern) for pattern in mapping.patterns]
        self._stopping = threading.Event()
        self._written = threading.Event()
        self._thread = threading.Thread(
            target=world.timers.attempt, args=(self._follow,), name="stream", daemon=True
        )

    def _items(self) -> list[Any]:
        """All records of the stream. The table is read anew: a failed transaction replaces it."""
        table = self._tables.tables.get(self._mapping.table)
        return [] if table is None else table.stream_shard.items

    def start(self) -> None:
        """Start to follow the stream."""
        self._thread.start()

    def begin_stop(self) -> None:
        """Read no new records."""
        self._stopping.set()
        self._written.set()

    def stop(self) -> None:
        """Stop to follow the stream, and wait for a running invocation."""
        self.begin_stop()
        self._thread.join()

    def written(self) -> None:
        """Wake the reader after a write to the table, ahead of its next poll."""
        self._written.set()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            # A failed transaction removes its records from the stream again.
            self._next = min(self._next, len(self._items()))
            if self._next == len(self._items()):
                self._written.wait(_EVERY)
                self._written.clear()
                continue
            late = self._world.faults.take("event-late", "dynamodb")
            seconds = (
                self._world.delays.stream + self._mapping.window + (late.seconds if late else 0.0)
            )
            if self._stopping.wait(seconds):
                return
            end = self._next + self._mapping.batch_size
            records = [self._record(each) for each in self._items()[self._next : end]]
            self._next += len(records)
            wanted = [each for each in records if self._wanted(each)]
            if wanted:
                self._hand_over(wanted)

    def _wanted(self, record: Mapping[str, Any]) -> bool:
        return not self._patterns or any(matches(p, record) for p in self._patterns)

    def _hand_over(self, records: list[dict[str, Any]]) -> None:
        if self._world.faults.take("event-lost", "dynamodb"):
            self._world.journal.happened("lambda", "BatchLost", stream=self._mapping.table)
            return
        copies = 2 if self._world.faults.take("event-doubled", "dynamodb") else 1
        for _ in range(copies):
            self._deliver(records)

    def _deliver(self, records: list[dict[str, Any]]) -> None:
        """Invoke the function until the batch succeeds, is bisected, or is given up."""
        attempts = 0
        while not self._stopping.is_set():
            try:
                outcome = self._functions.invoke(self._mapping.function, {"Records": records})
            except ThrottledError:
                self._stopping.wait(RETRY_SECONDS)
                continue
            if outcome.ok:
                return
            attempts += 1
            if self._exhausted(records, attempts):
                self._give_up(records, attempts, outcome.request_id)
                return
            if self._mapping.bisect and len(records) > 1:
                half = len(records) // 2
                self._deliver(records[:half])
                self._deliver(records[half:])
                return
            self._stopping.wait(RETRY_SECONDS)

    def _exhausted(self, records: list[dict[str, Any]], attempts: int) -> bool:
        limit = self._mapping.max_retries
        age = self._world.clock() - records[0]["dynamodb"]["ApproximateCreationDateTime"]
        too_old = self._mapping.max_age != FOREVER and age > self._mapping.max_age
        # Bisection does not count as a retry: a single record gets the full number of attempts.
        splits = self._mapping.bisect and len(records) > 1
        return too_old or (limit != FOREVER and attempts > limit and not splits)

    def _give_up(self, records: list[dict[str, Any]], attempts: int, request_id: str) -> None:
        self._world.journal.happened(
            "lambda", "BatchGivenUp", stream=self._mapping.table, attempts=attempts
        )
        if not self._mapping.on_failure:
            return
        spec = self._functions.spec(self._mapping.function)
        now = datetime.fromtimestamp(self._world.clock(), UTC).isoformat()
        message = {
            "requestContext": {
                "requestId": request_id or str(uuid.uuid4()),
                "functionArn": spec.arn,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": attempts,
            },
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": now,
            "DDBStreamBatchInfo": {
                "shardId": self._shard_id,
                "startSequenceNumber": records[0]["dynamodb"]["SequenceNumber"],
                "endSequenceNumber": records[-1]["dynamodb"]["SequenceNumber"],
                "batchSize": len(records),
                "streamArn": self._mapping.stream_arn,
            },
        }
        queue = self._mapping.on_failure.rpartition(":")[2]
        self._world.cloud.backend("sqs").send_message(
            queue_name=queue, message_body=json.dumps(message)
        )

    def _record(self, item: Any) -> dict[str, Any]:
        """A record in the form of the function's event: plain JSON, times in epoch seconds."""
        record = item.to_json()
        change = dict(record["dynamodb"])
        created: datetime = change["ApproximateCreationDateTime"]
        change["ApproximateCreationDateTime"] = created.replace(tzinfo=UTC).timestamp()
        return {
            **record,
            "awsRegion": self._world.config.region,
            "dynamodb": change,
            "eventSourceARN": self._mapping.stream_arn,
        }
