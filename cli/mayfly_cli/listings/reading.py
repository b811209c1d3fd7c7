"""Reads what the lists show."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from mayfly.records.pages import read_all
from mayfly_cli.listings.failed import HOUR, Ended
from mayfly_cli.listings.instances import Instances, instances_of
from mayfly_cli.listings.jobs import Jobs, jobs_of, jobs_with
from mayfly_cli.listings.launches import Launches, Read, launches_of
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import (
    QueueView,
    StackView,
    instances_once,
    launches_once,
    side_by_side,
)
from mayfly_cli.operations.stack_view import view_of

MOST = 2000
"""Records of one kind that a command reads of a queue."""


LATEST = 500
"""Ended records of one kind, of the last hour, that `mayfly jobs` reads of a queue: one page."""


def read_jobs(connection: Connection, queue: str | None, *, waiting: bool) -> Jobs:
    """The jobs, with those that failed in the last hour unless only waiting ones are asked for.

    Raises UsageError for an unknown queue.
    """
    view = view_of(connection, queue)
    if waiting:
        return jobs_of(view, waiting=True)
    return replace(jobs_with(view, _closed(connection, view, HOUR, LATEST)), complete=True)


def read_failed_jobs(connection: Connection, queue: str | None, since: timedelta) -> Jobs:
    """The jobs that failed since then. Raises UsageError for an unknown queue."""
    view = view_of(connection, queue)
    closed = _closed(connection, view, since, MOST)
    return jobs_with(view, closed, kept=lambda job: job.outcome is not None)


def _closed(
    connection: Connection, view: StackView, since: timedelta, most: int
) -> dict[str, Ended]:
    """By queue: claims and instances that closed since then, at most so many of each."""
    start, history = view.now - since, connection.history

    def of(queue: QueueView) -> Ended:
        claims = read_all(partial(history.claims, queue.queue, start, view.now), most)
        instances = read_all(partial(history.instances, queue.queue, start, view.now), most)
        complete = claims.complete and instances.complete
        return Ended(claims.records, instances.records, complete)

    found = side_by_side(of, view.queues)
    return {each.queue: ended for each, ended in zip(view.queues, found, strict=True)}


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
