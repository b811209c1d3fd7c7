"""The view of a stack for a command, of all queues or of one."""

from __future__ import annotations

from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.queues import queues_named
from mayfly_cli.operations.reading import StackView, read_stack


def view_of(connection: Connection, queue: str | None = None) -> StackView:
    """What the records say now. Raises UsageError for a queue that the stack does not have."""
    now, records = connection.clock(), connection.records
    queues = queues_named(records, queue)
    return read_stack(records, connection.stack, connection.region, now, queues)
