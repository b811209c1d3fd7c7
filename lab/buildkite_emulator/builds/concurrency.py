"""Concurrency groups: limits on jobs that run at a time in the organisation, and their order.

Source: buildkite/docs pipelines/configure/workflows/controlling_concurrency.md. An ordered job may
run when fewer jobs than its limit precede it in the group. Jobs that wait for other steps count as
preceding: the gates of that page depend on this. Jobs behind a block step do not count. An eager
job may run when fewer jobs than its limit are under way, highest priority first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from buildkite_emulator.jobs import jobs
from buildkite_emulator.jobs.states import ENDED, JobState
from buildkite_emulator.memory.records import Job
from buildkite_emulator.memory.store import Store
from buildkite_emulator.pipelines.steps import Concurrency

_NOT_UNDER_WAY = frozenset({JobState.WAITING, JobState.LIMITED})


def schedule_or_limit(store: Store, job: Job, now: datetime) -> Job:
    """Schedule a job with no other dependencies, or limit it if its concurrency group is full."""
    wanted = job.step.concurrency
    if wanted is None or _has_place(job, wanted, _members(store, wanted.group)):
        return jobs.schedule(job, now)
    return jobs.limit(job)


def fill_places(store: Store, now: datetime) -> None:
    """Schedule limited jobs of all builds while their groups have free places."""
    limited = [job for job in store.open_jobs() if job.state is JobState.LIMITED]
    for job in sorted(limited, key=_urgency):
        wanted = job.step.concurrency
        if wanted and _has_place(job, wanted, _members(store, wanted.group)):
            store.put_job(jobs.schedule(job, now), now)


def _has_place(job: Job, wanted: Concurrency, members: Iterable[Job]) -> bool:
    others = [member for member in members if member.id != job.id]
    if wanted.eager:
        ahead = [member for member in others if member.state not in _NOT_UNDER_WAY]
    else:
        ahead = [member for member in others if _place(member) < _place(job)]
    return len(ahead) < wanted.limit


def _members(store: Store, group: str) -> list[Job]:
    return [
        job
        for job in store.open_jobs()
        if job.step.concurrency is not None
        and job.step.concurrency.group == group
        and job.state not in ENDED | {JobState.BLOCKED}
    ]


def _place(job: Job) -> tuple[datetime, int]:
    return job.queued_at or job.timeline.created, job.serial


def _urgency(job: Job) -> tuple[int, datetime, int]:
    wanted = job.step.concurrency
    priority = -job.step.priority if wanted and wanted.eager else 0
    return (priority, *_place(job))
