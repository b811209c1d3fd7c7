"""Reads what `mayfly status` shows."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from mayfly.adapters.dynamodb.records import KEEP_CLOSED
from mayfly_cli.listings.failed import HOUR, Ended
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import side_by_side
from mayfly_cli.operations.stack_view import view_of
from mayfly_cli.status.boots import LATEST
from mayfly_cli.status.result import Status, status_of


def read_status(connection: Connection, queue: str | None) -> Status:
    """The status of all queues, or of one. Raises UsageError for an unknown queue."""
    view = view_of(connection, queue)
    midnight = view.now.replace(hour=0, minute=0, second=0, microsecond=0)
    names = [each.queue for each in view.queues]
    start = min(midnight, view.now - HOUR)
    ended = side_by_side(partial(_ended, connection, start, view.now), names)
    return status_of(view, dict(zip(names, ended, strict=True)))


def _ended(connection: Connection, start: datetime, end: datetime, queue: str) -> Ended:
    """Two queries of the index `closed`: the latest claims since `start`, the latest instances."""
    history = connection.history
    claims = history.claims(queue, start, end)
    instances = history.instances(queue, end - KEEP_CLOSED, end, most=LATEST)
    return Ended(claims.records, instances.records, not claims.after)
