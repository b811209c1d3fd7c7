"""Effects of an ended job, an unblocked step or an upload on the jobs that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from buildkite_emulator.jobs import jobs
from buildkite_emulator.jobs.graph import Graph, Verdict, is_hard_failure
from buildkite_emulator.jobs.retry import rule_to_apply
from buildkite_emulator.jobs.states import ENDED, JobState
from buildkite_emulator.memory.records import Build, Job, Timeline
from buildkite_emulator.memory.store import Store
from buildkite_emulator.memory.tokens import new_id
from buildkite_emulator.serving.refusals import RefusedError, bad_request, unprocessable

from .concurrency import fill_places, schedule_or_limit

_HELD_BACK = frozenset({JobState.WAITING, JobState.BLOCKED})
_FAILED_DEPENDENCY = frozenset({JobState.WAITING_FAILED, JobState.BLOCKED_FAILED})


def advance(store: Store, build: Build, now: datetime) -> None:
    """Schedule, block or fail the waiting jobs, until no job changes any more."""
    while _advance_once(store, build.id, now):
        pass
    _note_failing(store, build.id, now)
    fill_places(store, now)


def conclude(store: Store, job: Job, now: datetime) -> None:
    """Store an ended job, retry it if a rule says so, and advance the build."""
    build = store.builds[job.build_id]
    store.put_job(job, now)
    rule = _retry_rule(build, job)
    if rule is not None:
        used = {**job.retries_by_rule, rule: job.retries_by_rule.get(rule, 0) + 1}
        _retry(store, job, "automatic", used, now)
    advance(store, build, now)


def retry_by_hand(store: Store, job: Job, now: datetime) -> Job:
    """Retry a job for a person. Returns the new job.

    Raises:
        RefusedError: the job cannot be retried; words of buildkite/docs apis/rest_api/jobs.md.
    """
    build = store.builds[job.build_id]
    ended = jobs.outcome(job)
    manual = job.step.manual_retry
    retryable = {"failed", "soft_failed", "timed_out", "canceled"}
    if ended not in retryable | ({"passed"} if manual.permit_on_passed else set()):
        raise bad_request("Only failed, timed out or canceled jobs can be retried")
    if job.retried_in is not None:
        raise bad_request("This job has already been retried")
    if build.canceled:
        raise unprocessable("Jobs from canceled builds cannot be retried")
    if not manual.allowed:
        raise RefusedError(403, manual.reason or "Retries are not allowed on this step")
    retried = _retry(store, job, "manual", job.retries_by_rule, now)
    advance(store, build, now)
    return store.jobs[retried.id]


def graph_of(store: Store, build: Build) -> Graph:
    """The dependency graph of the build in its current state."""
    return Graph(build.steps, store.jobs_of(build), build.unblocked.keys())


def _advance_once(store: Store, build_id: str, now: datetime) -> bool:
    build = store.builds[build_id]
    graph = graph_of(store, build)
    moved = False
    for job in list(store.jobs_of(build)):
        after = _advance_job(store, job, graph, now)
        if after is not job:
            store.put_job(after, now)
            moved = True
    return moved


def _advance_job(store: Store, job: Job, graph: Graph, now: datetime) -> Job:
    if job.state not in _HELD_BACK | _FAILED_DEPENDENCY or job.retried_in is not None:
        return job
    verdict = graph.verdict(job.step)
    if job.state in _FAILED_DEPENDENCY:
        return job if verdict is Verdict.GIVE_UP else jobs.wait_again(job)
    if verdict is Verdict.GO:
        return schedule_or_limit(store, job, now)
    if verdict is Verdict.GIVE_UP:
        return jobs.wait_failed(job)
    if (verdict is Verdict.BLOCKED) is (job.state is JobState.BLOCKED):
        return job
    return jobs.block(job) if verdict is Verdict.BLOCKED else jobs.wait_again(job)


def _note_failing(store: Store, build_id: str, now: datetime) -> None:
    build = store.builds[build_id]
    every = list(store.jobs_of(build))
    if not any(is_hard_failure(job) for job in every):
        return
    if build.failing_at is None and any(job.state not in ENDED for job in every):
        store.builds[build_id] = replace(build, failing_at=now)
    for job in every:
        # The job is cancelled as soon as the build is failing: buildkite/docs
        # step_types/command_step.md.
        if job.step.cancel_on_build_failing and job.state not in ENDED | {
            JobState.CANCELING,
            JobState.TIMING_OUT,
        }:
            store.put_job(jobs.cancel(job, now), now)


def _retry_rule(build: Build, job: Job) -> int | None:
    # "Automatic retries never run for jobs that finish in the canceled state, or for any job in a
    # canceled build" (buildkite/docs retry.md).
    if build.canceled or job.state not in {JobState.FINISHED, JobState.TIMED_OUT}:
        return None
    return rule_to_apply(
        job.step.automatic_retry,
        job.retries_by_rule,
        job.exit_status or 0,
        job.signal,
        job.signal_reason,
    )


def _retry(store: Store, job: Job, kind: str, used: Mapping[int, int], now: datetime) -> Job:
    retried = Job(
        id=new_id(),
        serial=len(store.jobs),
        build_id=job.build_id,
        step=job.step,
        state=JobState.WAITING,
        timeline=Timeline(created=now),
        queued_at=job.queued_at,
        parallel_index=job.parallel_index,
        matrix=job.matrix,
        retry_type=kind,
        retry_of=job.id,
        retries_by_rule=used,
        retry_count=job.retry_count + 1,
    )
    store.put_job(replace(job, retried_in=retried.id), now)
    return store.put_job(schedule_or_limit(store, retried, now), now)
