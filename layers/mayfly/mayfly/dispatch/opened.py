"""New claims: which listed jobs become claims, by agent rule, room and the queue's policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from mayfly.answers import Listing
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import Mismatch, by_configuration, shape_for
from mayfly.dispatch import policy
from mayfly.dispatch.view import Candidate, QueueView, is_paused
from mayfly.records.model import Claim, Step, move_claim
from mayfly.records.states import Agent, ClaimState

LOOK_AHEAD = 10
"""Jobs reserved beyond the queue's `limits/max-instances`."""
OPEN_AT_ONCE = 40
"""New claims per tick and queue: they must fit into one transaction and one tick's time."""


def first_listed(listing: Listing | None) -> list[str]:
    """Ids of the first listed jobs, before it is known which of them have a claim already."""
    return [job.id for job in listing.jobs[:OPEN_AT_ONCE]] if listing is not None else []


def sort_listing(view: QueueView, config: QueueConfig) -> QueueView:
    """The view with its jobs as the configuration has them: `claims`, `candidates`, `unmatched`.

    Claims get the shape of today. Candidates are listed jobs that have no claim in the view, match
    the queue, and are at most as many as there is room.
    """
    claims, mismatches = by_configuration(view.claims, config)
    waiting = {claim.job for claim in claims if claim.state.traits.waits}
    lost = {job: mismatch for job, mismatch in mismatches.items() if job in waiting}
    view = replace(view, claims=claims)
    jobs = view.listing.jobs if view.listing is not None else ()
    shapes = [(job, shape_for(config, job.rules)) for job in jobs]
    known = {claim.job for claim in view.claims}
    fitting = [
        Candidate(job, shape)
        for job, shape in shapes
        if not isinstance(shape, Mismatch) and job.id not in known
    ]
    fitting.sort(key=lambda each: (-each.job.priority, each.job.runnable_at, each.job.id))
    return replace(
        view,
        candidates=tuple(fitting[: _room(view, config)]),
        unmatched=lost | {job.id: shape for job, shape in shapes if isinstance(shape, Mismatch)},
    )


def _room(view: QueueView, config: QueueConfig) -> int:
    """How many claims this tick may open; 0 for a paused queue."""
    if is_paused(view, config):
        return 0
    held = sum(claim.state.traits.open for claim in view.claims) + view.running
    return max(0, min(config.max_instances + LOOK_AHEAD - held, OPEN_AT_ONCE))


def open_claims(view: QueueView, config: QueueConfig, now: datetime) -> Iterator[Claim]:
    """New claims for the candidates: waiting, or failed where the policy denies the job.

    Candidates of a restricted queue without a known environment are omitted.
    """
    for candidate in view.candidates:
        job = candidate.job.id
        former = view.former.get(job)
        if former is not None and (former.open or former.state.traits.agent is not Agent.NONE):
            continue  # index or list lags: the job has an open claim, or an agent had the job
        claim = _claim(candidate, config, former.version if former is not None else 0, now)
        if not config.restricted:
            yield claim
        elif job in view.environments:
            yield _under_policy(claim, view, config, now)


def _claim(candidate: Candidate, config: QueueConfig, version: int, now: datetime) -> Claim:
    job = candidate.job
    return Claim(
        job=job.id,
        queue=config.queue,
        shape=candidate.shape,
        rules=job.rules,
        state=ClaimState.WAITING,
        since=now,
        runnable_at=job.runnable_at,
        priority=job.priority,
        pipeline=job.pipeline,
        build=job.build,
        step=job.step,
        history=(Step(ClaimState.WAITING, now, "Buildkite lists the job"),),
        version=version,
    )


def _under_policy(claim: Claim, view: QueueView, config: QueueConfig, now: datetime) -> Claim:
    """The claim, with the pipeline's repository; failed with the reason if the policy denies it."""
    environment = view.environments[claim.job]
    required = view.repositories.get(claim.job)
    denial = policy.decide(config, environment, required)
    if denial is None:
        return replace(claim, repository=required)
    return replace(move_claim(claim, ClaimState.FAILED, now, denial.reason), told=False)
