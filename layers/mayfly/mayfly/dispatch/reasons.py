"""Why a queue's jobs are not taken: the reasons that `dispatch` decides, and its standing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly.answers import Job
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.opened import LOOK_AHEAD, held_jobs, unread_candidates
from mayfly.dispatch.view import QueueView, is_paused, unclaimed_jobs
from mayfly.errors import Failure, NotFound, TokenRefused
from mayfly.records.model import Claim
from mayfly.records.standing import DISPATCH, LeftAlone, Standing
from mayfly.records.why import Code, Why, why

LOGGED_AS_ERRORS = frozenset(
    {Code.TOKEN_REFUSED, Code.UNKNOWN_QUEUE, Code.BUILDKITE_SILENT, Code.FACTS_UNREAD}
)
"""Codes of failed calls, which are logged where they fail."""


@dataclass(frozen=True, slots=True)
class Named:
    """A job that a reason holds back."""

    job: str
    pipeline: str


@dataclass(frozen=True, slots=True)
class Found:
    """A reason and the jobs that it holds back."""

    why: Why
    jobs: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Reasons:
    """All reasons of a queue in one tick."""

    found: tuple[Found, ...]
    left: Mapping[str, Why]
    """By job: why listed jobs are left alone."""
    said: Standing
    """The queue's standing, with the times since which its reasons stand."""
    unjudged: frozenset[str] = frozenset()
    """Listed jobs that the policy has not judged in this tick."""


def unlisted(queue: str, error: Failure, now: datetime) -> Why:
    """Why there is no list of a queue's jobs."""
    if isinstance(error, TokenRefused):
        return token_refused(error, now)
    if isinstance(error, NotFound):
        text = f"Buildkite does not know queue {queue} in this token's cluster"
        return why(Code.UNKNOWN_QUEUE, text, now)
    text = f"Buildkite does not answer the list of queue {queue}"
    return why(Code.BUILDKITE_SILENT, text, now, detail=str(error))


def token_refused(error: TokenRefused, now: datetime) -> Why:
    """Why no queue of the stack is served."""
    text = "Buildkite refuses the agent token of the stack"
    return why(Code.TOKEN_REFUSED, text, now, detail=str(error))


def left_alone(view: QueueView, config: QueueConfig, now: datetime) -> Mapping[str, Why]:
    """By job: why listed jobs get no claim, for a reason that their pages tell.

    A rule is not met, a parameter pauses the queue, the policy cannot be read, or the pipeline has
    as many jobs as it may have. Buildkite itself shows the pauses that are made at Buildkite.
    """
    held = held_jobs(view, config)
    found: dict[str, Why] = {}
    for job in unclaimed_jobs(view):
        if (mismatch := view.unmatched.get(job.id)) is not None:
            found[job.id] = unmet(config.queue, mismatch.rule, mismatch.reason, now)
        elif config.paused:
            found[job.id] = paused(view, config, now)
        elif job.id in view.over_limit:
            found[job.id] = over_limit(config, job.pipeline, now)
        elif job.id in held:
            unread = held[job.id]
            subject = unread.parameter
            found[job.id] = why(Code.POLICY_UNREADABLE, unread.reason, now, subject=subject)
    return found


def unmet(queue: str, rule: str, reason: str, now: datetime) -> Why:
    """Why a job is left alone whose agent query rules the queue does not meet."""
    text = f"queue {queue} does not meet the rule {rule or '(none)'}: {reason}"
    return why(Code.RULE_NOT_MET, text, now, subject=rule)


def paused(view: QueueView, config: QueueConfig, now: datetime) -> Why:
    """Why a paused queue, or one without its stack, takes no work."""
    if not view.active:
        return why(Code.STACK_GONE, f"queue {config.queue} is not served any more", now)
    if config.paused:
        return why(Code.PAUSED, f"queue {config.queue} is paused by its operators", now)
    return why(Code.PAUSED_AT_BUILDKITE, f"queue {config.queue} is paused at Buildkite", now)


def found_reasons(
    view: QueueView, config: QueueConfig, left: Mapping[str, Why], now: datetime
) -> tuple[Found, ...]:
    """Every reason for which the queue does not take jobs, with its jobs. See `left_alone`."""
    lost = {
        claim.job: unmet(config.queue, mismatch.rule, mismatch.reason, now)
        for claim in view.claims
        if claim.state.traits.waits and (mismatch := view.unmatched.get(claim.job)) is not None
    }
    return (*_of_queue(view, config, now), *_of_left(view, {**left, **lost}))


def _of_queue(view: QueueView, config: QueueConfig, now: datetime) -> Iterator[Found]:
    waiting = _named_claims(c for c in view.claims if c.state.traits.waits)
    unopened = [job for job in unclaimed_jobs(view) if job.id not in view.unmatched]
    every = (*waiting, *_named(unopened))
    if view.unlisted is not None:
        yield Found(view.unlisted, waiting)
    if is_paused(view, config) and (view.active or waiting):
        yield Found(paused(view, config, now), every)
    elif view.left_out:
        placed = {candidate.job.id for candidate in view.candidates} | view.over_limit.keys()
        rest = [job for job in unopened if job.id not in placed]
        limit = f"limits/max-instances ({config.max_instances}) and {LOOK_AHEAD} jobs ahead"
        text = f"{len(rest)} listed jobs are not reserved yet: others fill {limit}"
        yield Found(why(Code.LOOK_AHEAD, text, now), tuple(_named(rest)))
    if not is_paused(view, config):
        yield from _over_limit(view, config, every, now)
    if view.refused:
        pipelines = {each.job: each.pipeline for each in every}
        refused = tuple(Named(job, pipelines.get(job, "")) for job in sorted(view.refused))
        text = f"Buildkite does not reserve {len(refused)} jobs, {refused[0].job} among them"
        yield Found(why(Code.UNRESERVED, text, now), refused)
    if unread := unread_candidates(view, config):
        text = "a new job waits until its environment or its former claim can be read"
        jobs = tuple(_named(job for job in unopened if job.id in unread))
        yield Found(why(Code.FACTS_UNREAD, text, now), jobs)


def _over_limit(
    view: QueueView, config: QueueConfig, waiting: tuple[Named, ...], now: datetime
) -> Iterator[Found]:
    """One reason for each pipeline that has as many jobs on the queue as its limit allows."""
    for pipeline in sorted(set(view.over_limit.values())):
        jobs = tuple(each for each in waiting if view.over_limit.get(each.job) == pipeline)
        yield Found(over_limit(config, pipeline, now), jobs)


def over_limit(config: QueueConfig, pipeline: str, now: datetime) -> Why:
    """Why a job waits for other jobs of its pipeline."""
    most = config.per_pipeline
    jobs = "1 job" if most == 1 else f"{most} jobs"
    text = f"queue {config.queue} runs at most {jobs} of pipeline {pipeline} at a time"
    return why(Code.PER_PIPELINE, text, now, subject=f"pipeline {pipeline}")


def _of_left(view: QueueView, left: Mapping[str, Why]) -> Iterator[Found]:
    """One reason for all jobs that are left alone for it; pause and limit are the queue's."""
    jobs = {job.id: job for job in unclaimed_jobs(view)}
    claims = {claim.job: claim for claim in view.claims}
    by_key: dict[tuple[Code, str], list[str]] = {}
    for job, reason in left.items():
        if reason.code not in {Code.PAUSED, Code.PER_PIPELINE}:
            by_key.setdefault(reason.key, []).append(job)
    for names in by_key.values():
        known = [jobs[name] for name in names if name in jobs]
        own = [claims[name] for name in names if name in claims]
        yield Found(left[names[0]], (*_named(known), *_named_claims(own)))


def standing(
    view: QueueView, found: tuple[Found, ...], left: Mapping[str, Why], queue: str, now: datetime
) -> Standing:
    """What `dispatch` has to say of a queue."""
    jobs = {job.id: job for job in unclaimed_jobs(view)}
    waiting = [claim.runnable_at for claim in view.claims if claim.state.traits.waits]
    waiting += [job.runnable_at for job in jobs.values() if job.id not in left]
    # Jobs whose rule is not met go first: a pause is told for the whole queue.
    order = sorted(left, key=lambda job: (left[job].code is Code.PAUSED, job))
    return Standing(
        queue,
        DISPATCH,
        now,
        tuple(each.why for each in found),
        left=tuple(_alone(jobs[job], left[job]) for job in order),
        left_total=len(left),
        held=sum(reason.code is Code.PAUSED for reason in left.values()),
        waiting=len(waiting),
        oldest=min(waiting, default=None),
    )


def _alone(job: Job, reason: Why) -> LeftAlone:
    return LeftAlone(job.id, job.pipeline, job.build, job.step, reason, job.runnable_at)


def _named(jobs: Iterator[Job] | list[Job]) -> tuple[Named, ...]:
    return tuple(Named(job.id, job.pipeline) for job in jobs)


def _named_claims(claims: Iterator[Claim] | list[Claim]) -> tuple[Named, ...]:
    return tuple(Named(claim.job, claim.pipeline) for claim in claims)
