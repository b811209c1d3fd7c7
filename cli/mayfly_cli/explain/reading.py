"""Finds the job, instance or queue that a person named, with the records for an explanation."""

from __future__ import annotations

from datetime import timedelta

from mayfly.records.model import Claim
from mayfly.records.pages import read_all
from mayfly_cli.ends import UsageError
from mayfly_cli.explain.result import (
    InstanceExplained,
    JobExplained,
    explain_build,
    explain_instance,
    explain_job,
    explain_left,
)
from mayfly_cli.explain.targets import Build, InstanceId, JobId, QueueKey, target
from mayfly_cli.listings.jobs import Jobs, job_left
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import (
    QueueView,
    StackView,
    claims_once,
    read_whole_queue,
    side_by_side,
)
from mayfly_cli.operations.stack_view import view_of
from mayfly_cli.status.reading import read_status
from mayfly_cli.status.result import Status

MOST = 5000
"""Ended claims of a queue that the search for a build reads."""


def explain(
    connection: Connection, text: str, since: timedelta
) -> JobExplained | InstanceExplained | Jobs | Status:
    """The explanation. Raises UsageError for what nobody knows, with the forms that are allowed."""
    match target(text):
        case JobId(job):
            return _job(connection, job)
        case InstanceId(name):
            return _instance(connection, name)
        case Build() as build:
            return _build(connection, build, since)
        case QueueKey(queue):
            return read_status(connection, queue)
    raise UsageError(
        f"{text!r} is no job, instance or queue: give a job's UUID, a URL of Buildkite, "
        "pipeline/build, organization/pipeline/build, an instance as i-0123, or a queue"
    )


def _job(connection: Connection, job: str) -> JobExplained:
    claim = connection.records.claim(job)
    if claim is not None:
        return _claim(connection, claim)
    view = view_of(connection)
    for queue in view.queues:
        for left in queue.left:
            if left.job == job:
                return explain_left(left, queue, view.now)
    raise UsageError(
        f"the stack {connection.stack} knows no job {job}: records are kept for 30 days, and a job "
        "of a queue without a stack, or beyond the look-ahead, has none; see mayfly status"
    )


def _claim(connection: Connection, claim: Claim) -> JobExplained:
    records = connection.records
    instance = records.instance(claim.slot) if claim.slot is not None else None
    record = records.queue(claim.queue)
    view: QueueView | None = None if record is None else read_whole_queue(records, record)
    return explain_job(claim, instance, view, connection.clock())


def _instance(connection: Connection, name: str) -> InstanceExplained:
    instance = connection.records.instance_of(name)
    if instance is None:
        raise UsageError(f"the stack {connection.stack} has no record of {name}")
    claim = connection.records.claim(instance.job) if instance.job is not None else None
    return explain_instance(instance, claim, connection.clock())


def _build(connection: Connection, build: Build, since: timedelta) -> JobExplained | Jobs:
    view = view_of(connection)
    claims = find_claims(connection, view, build, since)
    left = [
        (job, queue)
        for queue in view.queues
        for job in queue.left
        if (job.pipeline, job.build) == (build.pipeline, build.number)
    ]
    if len(claims) + len(left) == 1:
        return _claim(connection, claims[0]) if claims else explain_left(*left[0], view.now)
    if not claims and not left:
        days = f"{since.total_seconds() / 86400:g} d"
        raise UsageError(
            f"the stack knows no job of {build} in the last {days}: for an older one give --since; "
            "a queue that is paused at Buildkite shows no jobs, see mayfly status"
        )
    others = [job_left(job, queue.queue, view.now) for job, queue in left]
    return explain_build(connection.stack, claims, others, view.now)


def find_claims(
    connection: Connection, view: StackView, build: Build, since: timedelta
) -> list[Claim]:
    """The claims of a build's jobs: open ones, and those that ended since then."""
    start, wanted = view.now - since, (build.pipeline, build.number)

    def ended(queue: QueueView) -> tuple[Claim, ...]:
        history = connection.history
        pages = read_all(lambda at: history.claims(queue.queue, start, view.now, at), MOST)
        return pages.records

    closed = side_by_side(ended, view.queues)
    found = claims_once(*(queue.claims for queue in view.queues), *closed)
    return [c for c in found if (c.pipeline, c.build) == wanted]
