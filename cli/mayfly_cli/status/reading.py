"""Reads what `mayfly status` shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from mayfly.records.model import Claim
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import side_by_side
from mayfly_cli.operations.stack_view import view_of
from mayfly_cli.status.result import Status, status_of


def read_status(connection: Connection, queue: str | None) -> Status:
    """The status of all queues, or of one. Raises UsageError for an unknown queue."""
    view = view_of(connection, queue)
    midnight = view.now.replace(hour=0, minute=0, second=0, microsecond=0)
    names = [each.queue for each in view.queues]
    ended = side_by_side(partial(_ended, connection, midnight, view.now), names)
    return status_of(view, dict(zip(names, ended, strict=True)))


def _ended(connection: Connection, start: datetime, end: datetime, queue: str) -> Sequence[Claim]:
    """One page of the index `closed`: the latest claims since `start`."""
    return connection.history.claims(queue, start, end).records
