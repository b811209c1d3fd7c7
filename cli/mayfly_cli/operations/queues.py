"""The queue that a command names."""

from __future__ import annotations

from collections.abc import Sequence

from mayfly.records.model import QueueRecord
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.reading import Records
from mayfly_cli.operations.words import meant


def queues_named(records: Records, queue: str | None) -> Sequence[QueueRecord]:
    """The records of all queues, or of the named queue alone.

    Raises UsageError for an unknown queue; the text proposes a queue of a similar name.
    """
    found = sorted(records.queues(), key=lambda record: record.queue)
    if queue is None:
        return found
    named = [record for record in found if record.queue == queue]
    if not named:
        names = [record.queue for record in found]
        hint = meant(queue, names) or (f"; there is {', '.join(names)}" if names else "")
        raise UsageError(
            f"the stack has no queue {queue}{hint} (a queue that was just deployed is known after"
            " at most a minute)"
        )
    return named


def live_queue(records: Records, queue: str) -> QueueRecord:
    """The record of a queue that may be changed.

    Raises UsageError for a queue that does not exist, or that is being deleted.
    """
    (record,) = queues_named(records, queue)
    if not record.active:
        raise UsageError(
            f"queue {queue} is being deleted: its stack is gone, and its last instances end"
        )
    return record
