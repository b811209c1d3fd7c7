"""An SQS queue as the trigger of a function: batches, partial failures, redrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from mayfly_lab.aws.functions.functions import Functions, ThrottledError
from mayfly_lab.aws.world import World

POLL_SECONDS = 0.2
DEFAULT_CONCURRENCY = 5
"""Lambda's pollers start with five concurrent batches per queue."""


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """An event source mapping from a queue, as in the template."""

    queue_arn: str
    function: str
    batch_size: int
    window: float
    concurrency: int
    partial: bool
    """ReportBatchItemFailures."""

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> QueueMapping:
        """From the configuration of an event source mapping."""
        scaling = configuration.get("ScalingConfig") or {}
        return cls(
            queue_arn=configuration["EventSourceArn"],
            function=configuration["FunctionArn"],
            batch_size=int(configuration.get("BatchSize") or 10),
            window=float(configuration.get("MaximumBatchingWindowInSeconds") or 0),
            concurrency=int(scaling.get("MaximumConcurrency") or DEFAULT_CONCURRENCY),
            partial="ReportBatchItemFailures" in (configuration.get("FunctionResponseTypes") or ()),
        )

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self.queue_arn.rpartition(":")[2]


class QueueTrigger:
    """Polls a queue as Lambda does, and deletes messages that the function has processed."""

    def __init__(
        self,
        world: World,
        functions: Functions,
        mapping: QueueMapping,
    ) -> None:
        self._mapping = mapping
        self._functions = functions
        self._world = world
        self._sqs = world.cloud.backend("sqs")
        self._queue = self._sqs.get_queue(mapping.queue_name)
        # Otherwise moto would invoke the function itself, inside SendMessage, message by message.
        self._queue.lambda_event_source_mappings.clear()
        self._stopping = threading.Event()
        self._free = threading.BoundedSemaphore(mapping.concurrency)
        self._pool = ThreadPoolExecutor(mapping.concurrency, thread_name_prefix="queue")
        self._thread = threading.Thread(
            target=world.timers.attempt, args=(self._poll,), name="queue-poller", daemon=True
        )

    def start(self) -> None:
        """Start to poll."""
        self._thread.start()

    def begin_stop(self) -> None:
        """Receive no new messages."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop to poll, and wait for running invocations."""
        self._stopping.set()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=POLL_SECONDS):
                continue
            self._queue.wait_for_messages(POLL_SECONDS)
            messages: list[Any] = []
            if self._queue.messages and not self._stopping.wait(
                self._world.delays.queue + self._mapping.window
            ):
                messages = self._receive()
            if messages:
                self._pool.submit(self._world.timers.attempt, partial(self._work, messages))
            else:
                self._free.release()

    def _receive(self) -> list[Any]:
        late = self._world.faults.take("event-late", "sqs")
        if late is not None:
            self._stopping.wait(late.seconds)
        visibility = int(self._queue.visibility_timeout)
        received = self._sqs.receive_message(
            self._mapping.queue_name, min(self._mapping.batch_size, 10), 0, visibility
        )
        if received and self._world.faults.take("event-lost", "sqs"):
            # SQS loses no message: the batch of a dead poller stays invisible for its time-out.
            self._world.journal.happened("lambda", "BatchLost", queue=self._mapping.queue_name)
            return []
        return list(received)

    def _work(self, messages: list[Any]) -> None:
        try:
            copies = 2 if self._world.faults.take("event-doubled", "sqs") else 1
            for _ in range(copies):
                self._invoke(messages)
        finally:
            self._free.release()

    def _invoke(self, messages: list[Any]) -> None:
        event = {"Records": [self._record(each) for each in messages]}
        try:
            outcome = self._functions.invoke(self._mapping.function, event)
        except ThrottledError:
            return  # the messages come back when their visibility time-out is over
        failed = {each.id for each in messages}
        if outcome.ok:
            failed = _failures(outcome.result, failed) if self._mapping.partial else set()
        for message in messages:
            if message.id not in failed:
                self._sqs.delete_message(self._mapping.queue_name, message.receipt_handle)

    def _record(self, message: Any) -> dict[str, Any]:
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.approximate_receive_count),
                "SentTimestamp": str(message.sent_timestamp),
                "ApproximateFirstReceiveTimestamp": str(int(time.time() * 1000)),
            },
            "messageAttributes": {},
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._mapping.queue_arn,
            "awsRegion": self._world.config.region,
        }


def _failures(result: Any, all_ids: set[str]) -> set[str]:
    """The message ids that a function reports as failed.

    None, an empty answer and an empty list mean success. An unreadable answer, or one that names a
    message outside the batch, fails the whole batch (Lambda developer guide).
    """
    if not result:
        return set()
    try:
        failed = {each["itemIdentifier"] for each in result.get("batchItemFailures") or ()}
    except (AttributeError, KeyError, TypeError):
        return all_ids
    return all_ids if failed - all_ids else failed
