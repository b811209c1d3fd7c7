"""Builds: how one comes to be, and what the end of a job means for the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from . import jobs
from .graph import Graph, Verdict, is_hard_failure
from .pipeline import parse
from .records import Build, CommandStep, Job, Person, Pipeline, PullRequest, Timeline
from .refusals import RefusedError, bad_request, unprocessable
from .retry import rule_to_apply
from .states import ENDED, JobState
from .store import Store
from .tokens import new_id


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What a person or a webhook says about a new build."""

    branch: str = "main"
    commit: str = "HEAD"
    message: str = ""
    tag: str = ""
    source: str = "api"
    creator: Person = field(default_factory=lambda: Person("Lab", "lab@example.org"))
    env: Mapping[str, str] = field(default_factory=dict)
    pull_request: PullRequest | None = None


def create(store: Store, pipeline: Pipeline, request: BuildRequest, now: datetime) -> Build:
    """Create a build with a job for each command step, and schedule what need not wait.

    Raises:
        PipelineError: the pipeline's configuration cannot be read.
    """
    definition = parse(pipeline.configuration, store.settings.default_queue)
    number = 1 + sum(build.pipeline.slug == pipeline.slug for build in store.builds.values())
    build = Build(
        id=new_id(),
        number=number,
        pipeline=pipeline,
        steps=definition.steps,
        branch=request.branch,
        commit=request.commit,
        message=request.message,
        tag=request.tag,
        source=request.source,
        creator=request.creator,
        env={**definition.env, **request.env},
        pull_request=request.pull_request,
        created_at=now,
    )
    store.builds[build.id] = build
    for step in build.steps:
        if isinstance(step, CommandStep):
            _create_jobs(store, build, step, now)
    advance(store, build, now)
    return build


def advance(store: Store, build: Build, now: datetime) -> None:
    """Let every waiting job go, give up, or wait again, until nothing changes any more."""
    while _advance_once(store, build, now):
        pass


def conclude(store: Store, job: Job, now: datetime) -> None:
    """Keep a job that has just ended: retry it if a rule says so, then let others go on."""
    build = store.builds[job.build_id]
    store.put_job(job, now)
    rule = _retry_rule(build, job)
    if rule is not None:
        used = {**job.retries_by_rule, rule: job.retries_by_rule.get(rule, 0) + 1}
        _retry(store, job, "automatic", used, now)
    advance(store, build, now)


def cancel_job(store: Store, job: Job, now: datetime) -> Job:
    """Cancel one job.

    Raises:
        RefusedError: 422 when it is over.
    """
    canceled = jobs.cancel(job, now)
    if canceled.state in ENDED:
        conclude(store, canceled, now)
    else:
        store.put_job(canceled, now)
    return canceled


def cancel(store: Store, build: Build, now: datetime) -> Build:
    """Cancel a build with all its jobs; none of them is retried any more.

    Raises:
        RefusedError: 422 when the build is over.
    """
    if state(store, build) not in {"scheduled", "running", "failing"}:
        raise unprocessable("Build can't be canceled because it's already finished.")
    build = replace(build, canceled=True)
    store.builds[build.id] = build
    for job in list(store.jobs_of(build)):
        if job.state not in ENDED and job.state is not JobState.TIMING_OUT:
            store.put_job(jobs.cancel(job, now), now)
    return build


def retry_by_hand(store: Store, job: Job, now: datetime) -> Job:
    """A person retries a job. Returns the new job.

    Raises:
        RefusedError: in the words of buildkite/docs apis/rest_api/jobs.md.
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


def state(store: Store, build: Build) -> str:
    """The build's state in Buildkite's words (buildkite/docs `_build_states.md`)."""
    every = list(store.jobs_of(build))
    is_open = any(job.state not in ENDED for job in every)
    has_failed = any(is_hard_failure(job) for job in every)
    if is_open:
        return _open_state(build, every, has_failed)
    if build.canceled:
        return "canceled"
    if has_failed:
        return "failed"
    return "not_run" if all(job.state is JobState.SKIPPED for job in every) else "passed"


def _open_state(build: Build, every: list[Job], has_failed: bool) -> str:
    if build.canceled:
        return "canceling"
    if has_failed:
        return "failing"
    began = any(job.timeline.accepted or job.state in ENDED for job in every)
    return "running" if began else "scheduled"


def _create_jobs(store: Store, build: Build, step: CommandStep, now: datetime) -> None:
    initial = JobState.SKIPPED if step.skip else JobState.WAITING
    for index in range(step.parallelism or 1):
        job = Job(
            id=new_id(),
            serial=len(store.jobs),
            build_id=build.id,
            step=step,
            state=initial,
            timeline=Timeline(created=now),
            parallel_index=None if step.parallelism is None else index,
        )
        store.put_job(job, now)


def _advance_once(store: Store, build: Build, now: datetime) -> bool:
    graph = Graph(build.steps, store.jobs_of(build))
    moved = False
    for job in list(store.jobs_of(build)):
        after = _after_verdict(job, graph, now)
        if after is not job:
            store.put_job(after, now)
            moved = True
    return moved


def _after_verdict(job: Job, graph: Graph, now: datetime) -> Job:
    if job.state not in {JobState.WAITING, JobState.WAITING_FAILED} or job.retried_in is not None:
        return job
    verdict = graph.verdict(job.step)
    if job.state is JobState.WAITING_FAILED:
        return job if verdict is Verdict.GIVE_UP else jobs.wait_again(job)
    if verdict is Verdict.GO:
        return jobs.schedule(job, now)
    return jobs.wait_failed(job) if verdict is Verdict.GIVE_UP else job


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
        parallel_index=job.parallel_index,
        retry_type=kind,
        retry_of=job.id,
        retries_by_rule=used,
        retry_count=job.retry_count + 1,
    )
    store.put_job(replace(job, retried_in=retried.id), now)
    return store.put_job(jobs.schedule(retried, now), now)
