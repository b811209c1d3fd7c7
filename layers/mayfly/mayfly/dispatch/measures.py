"""What `dispatch` measures of a queue: waiting jobs, waits that ended, and denied jobs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.view import QueueView, is_paused, unclaimed_jobs, without_mismatches
from mayfly.metrics import Metric, Path
from mayfly.records.model import Claim, Instance
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.measures import Measures


def measure(
    view: QueueView,
    claims: Iterable[Claim],
    bound: Iterable[str],
    config: QueueConfig,
    now: datetime,
) -> Measures:
    """The measures of one tick: `claims` are those after the tick's writes, before its bindings.

    Waiting jobs are measured where the queue was listed: without the list nobody knows of jobs
    that have no claim yet, and 0 would say that none waits.
    """
    found, claims = Measures(), tuple(claims)
    if view.listing is not None:
        since = _runnable_since(view, claims, set(bound))
        found.note(Metric.JOBS_WAITING, config.queue, len(since))
        known = is_paused(view, config) or not view.active
        oldest = now - min(since, default=now) if not known else timedelta(0)
        found.note(Metric.OLDEST_WAIT, config.queue, max(oldest.total_seconds(), 0))
    before = {claim.job: claim for claim in view.claims}
    for claim in claims:
        former = before.get(claim.job)
        if former is None:
            if claim.state is ClaimState.FAILED:
                found.note(Metric.DENIED, config.queue)
        elif former.state.traits.bound and _is_accepted(claim, now):
            instance = view.instances.get(former.slot) if former.slot is not None else None
            wait = max((now - claim.runnable_at).total_seconds(), 0)
            if instance is not None:
                path = path_of(claim, instance)
                found.note(Metric.WAIT_SECONDS, config.queue, round(wait, 3), path)
    return found


def path_of(claim: Claim, instance: Instance) -> Path:
    """How the job came to its instance: hot where the instance was ready before the job."""
    ready = [step.at for step in instance.history if step.state == InstanceState.READY]
    if ready and ready[-1] <= claim.runnable_at:
        return Path.HOT
    started = any(step.state == InstanceState.STARTING for step in instance.history)
    return Path.STOPPED if started else Path.COLD


def _runnable_since(view: QueueView, claims: Iterable[Claim], bound: set[str]) -> list[datetime]:
    """When each job became runnable that waits still: claimed ones, and listed ones without."""
    waiting = [
        claim.runnable_at
        for claim in without_mismatches(claims, view)
        if claim.state.traits.waits and claim.job not in bound
    ]
    jobs = unclaimed_jobs(view, claims)
    return waiting + [job.runnable_at for job in jobs if job.id not in view.unmatched]


def _is_accepted(claim: Claim, now: datetime) -> bool:
    """Whether this tick has seen that an agent has the job, which may have ended already."""
    return any(step.state == ClaimState.RUNNING and step.at == now for step in claim.history)
