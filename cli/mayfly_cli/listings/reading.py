"""Reads what the lists show."""

from __future__ import annotations

from datetime import datetime, timedelta

from mayfly.records.pages import read_all
from mayfly_cli.listings.instances import Instances, instances_of
from mayfly_cli.listings.jobs import Jobs, jobs_of
from mayfly_cli.listings.launches import Launches, Read, launches_of
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import QueueView, instances_once, launches_once, side_by_side
from mayfly_cli.operations.stack_view import view_of

MOST = 2000
"""Records of one kind that a command reads of a queue."""


def read_jobs(connection: Connection, queue: str | None, *, waiting: bool) -> Jobs:
    """The jobs. Raises UsageError for an unknown queue."""
    return jobs_of(view_of(connection, queue), waiting=waiting)


def read_instances(connection: Connection, queue: str | None) -> Instances:
    """The instances. Raises UsageError for an unknown queue."""
    return instances_of(view_of(connection, queue))


def read_launches(
    connection: Connection, queue: str | None, since: timedelta, *, failed: bool
) -> Launches:
    """The launches since then. Raises UsageError for an unknown queue."""
    view = view_of(connection, queue)
    start = view.now - since

    def ended(queue: QueueView) -> Read:
        return _ended(connection, queue.queue, start, view.now)

    closed = side_by_side(ended, view.queues)
    read = Read(
        launches=launches_once(
            *(queue.launches for queue in view.queues), *(found.launches for found in closed)
        ),
        instances=instances_once(
            *(queue.instances for queue in view.queues), *(found.instances for found in closed)
        ),
        complete=all(found.complete for found in closed),
    )
    return launches_of(view.stack, view.now, read, failed=failed)


def _ended(connection: Connection, queue: str, start: datetime, end: datetime) -> Read:
    history = connection.history
    launches = read_all(lambda after: history.launches(queue, start, end, after), MOST)
    instances = read_all(lambda after: history.instances(queue, start, end, after), MOST)
    complete = launches.complete and instances.complete
    return Read(launches.records, instances.records, complete)
