"""Reads what the doctor looks at."""

from __future__ import annotations

from mayfly_cli.doctor.result import Health, health
from mayfly_cli.doctor.survey import survey
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.stack_view import view_of


def examine(connection: Connection, releases: str, queue: str | None = None) -> Health:
    """The health of the stack, and of all its queues or of one.

    Without the stack's records there is none; all else is read if it may be. `releases` is the
    address of the agent's releases. Raises UsageError for an unknown queue.
    """
    view = view_of(connection, queue)
    names = [] if queue is None else [each.queue for each in connection.records.queues()]
    read = survey(connection, view, releases)
    return health(view, connection.records.strays(), read, names)
