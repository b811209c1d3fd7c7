"""New claims: which listed jobs become claims, by agent rule, room and the queue's policy."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from mayfly.answers import Listing
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import Mismatch, by_configuration, shape_for
from mayfly.dispatch import policy
from mayfly.dispatch.view import Candidate, QueueView, is_paused, without_mismatches
from mayfly.records.model import Claim, Shape, Step, move_claim
from mayfly.records.states import Agent, ClaimState

LOOK_AHEAD = 10
"""Places for jobs beyond the queue's `limits/max-instances`."""
OPEN_AT_ONCE = 40
"""New claims per tick and queue: they must fit into one transaction and one tick's time."""


def first_listed(listing: Listing | None) -> list[str]:
    """Ids of the first listed jobs, before it is known which of them have a claim already."""
    return [job.id for job in listing.jobs[:OPEN_AT_ONCE]] if listing is not None else []


def sort_listing(view: QueueView, config: QueueConfig) -> QueueView:
    """The view with its jobs as the configuration has them: `claims`, `candidates`, `unmatched`.

    Claims get the shape of today. Candidates are listed jobs that have no claim in the view, match
    the queue, and find a place.
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
    fitting.sort(
        key=lambda each: (
            each.job.id in view.refused,
            *(-each.job.priority, each.job.runnable_at, each.job.id),
        )
    )
    view = replace(
        view,
        unmatched=lost | {job.id: shape for job, shape in shapes if isinstance(shape, Mismatch)},
    )
    if is_paused(view, config):
        return replace(view, candidates=(), left_out=False)
    places = _Places.of(view, config)
    placed = tuple(islice(filter(places.take, fitting), OPEN_AT_ONCE))
    return replace(view, candidates=placed, left_out=len(placed) < min(len(fitting), OPEN_AT_ONCE))


@dataclass(slots=True)
class _Places:
    """Places for waiting jobs: `limits/max-instances` and the look-ahead, less the busy ones.

    A job finds a place unless jobs that are at least as urgent hold all: a more urgent job is
    always opened. Jobs of stalled shapes, and jobs that Buildkite does not reserve, hold places
    against each other only. So a queue has at most as many waiting claims as places, for each
    priority, set of stalled shapes, and answer of Buildkite to their reservation.
    """

    places: int
    stalled: frozenset[Shape]
    refused: frozenset[str]
    live: list[int]
    """Urgency of the jobs that hold places against all, ascending; the least is most urgent."""
    waiting: list[int]
    """Urgency of all waiting jobs."""
    taken: int = 0
    taken_live: int = 0

    @classmethod
    def of(cls, view: QueueView, config: QueueConfig) -> _Places:
        """The places as the claims of the view leave them."""
        claims = without_mismatches(view.claims, view)
        waiting = [claim for claim in claims if claim.state.traits.waits]
        busy = view.running + sum(
            claim.state.traits.open and not claim.state.traits.waits for claim in claims
        )
        stalled, refused = view.stalled.shapes, view.refused
        live = [c for c in waiting if c.shape not in stalled and c.job not in refused]
        return cls(
            places=config.max_instances - min(busy, config.max_instances) + LOOK_AHEAD,
            stalled=stalled,
            refused=refused,
            live=sorted(-claim.priority for claim in live),
            waiting=sorted(-claim.priority for claim in waiting),
        )

    def take(self, candidate: Candidate) -> bool:
        """Whether the candidate finds a place, which is taken then.

        The most urgent comes first, but jobs that Buildkite did not reserve come last.
        """
        urgency = -candidate.job.priority
        is_hopeless = candidate.shape in self.stalled or candidate.job.id in self.refused
        if is_hopeless:
            free = bisect_right(self.waiting, urgency) + self.taken < self.places
        else:
            free = bisect_right(self.live, urgency) + self.taken_live < self.places
        self.taken += free
        self.taken_live += free and not is_hopeless
        return free


def open_claims(view: QueueView, config: QueueConfig, now: datetime) -> Iterator[Claim]:
    """New claims for the candidates: waiting, or failed where the policy denies the job.

    Candidates with an unreadable claim are omitted, and so are candidates whose environment is
    being read, and candidates of a restricted queue without a known environment; elsewhere a job
    whose environment cannot be read counts as a first attempt.
    """
    unknown = view.unreadable | view.awaited
    for candidate in view.candidates:
        job = candidate.job.id
        if job in unknown:
            continue
        former = view.former.get(job)
        if former is not None and (former.open or former.state.traits.agent is not Agent.NONE):
            continue  # index or list lags: the job has an open claim, or an agent had the job
        claim = _claim(candidate, config, former.version if former is not None else 0, now)
        claim = _with_retry(claim, view.environments.get(job, {}), config)
        if not config.restricted:
            yield claim
        elif job in view.environments:
            yield from _under_policy(claim, view, config, now)


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


def _with_retry(claim: Claim, environment: Mapping[str, str], config: QueueConfig) -> Claim:
    """The claim with the number of its job's retries, and the shape that a retry needs."""
    count = environment.get("BUILDKITE_RETRY_COUNT", "")
    retry = int(count) if count.isascii() and count.isdigit() and len(count) < 6 else 0
    (claim,), _ = by_configuration([replace(claim, retry=retry)], config)
    return claim


def _under_policy(
    claim: Claim, view: QueueView, config: QueueConfig, now: datetime
) -> Iterator[Claim]:
    """The claim, with the pipeline's repository; failed with the reason if the policy denies it.

    Yields nothing for a job that waits until the policy can be read.
    """
    match _judge(claim.job, view, config):
        case policy.Unread():
            return
        case policy.Denial(reason):
            yield replace(move_claim(claim, ClaimState.FAILED, now, reason), told=False)
        case None:
            yield replace(claim, repository=view.repositories.get(claim.job))


def held_jobs(view: QueueView, config: QueueConfig) -> Mapping[str, str]:
    """Candidates that wait until the policy can be read, with the reason."""
    if not config.restricted:
        return {}
    jobs = [each.job.id for each in view.candidates if each.job.id in view.environments]
    judged = {job: _judge(job, view, config) for job in jobs}
    return {job: each.reason for job, each in judged.items() if isinstance(each, policy.Unread)}


def unjudged_jobs(view: QueueView, config: QueueConfig) -> frozenset[str]:
    """Listed jobs that the policy has not judged in this tick, because facts are missing.

    Such a job has no place, or its environment is unknown. Claimed jobs are omitted.
    """
    if not config.restricted or view.listing is None:
        return frozenset()
    known = view.environments.keys() | {claim.job for claim in view.claims}
    return frozenset(job.id for job in view.listing.jobs if job.id not in known)


def _judge(job: str, view: QueueView, config: QueueConfig) -> policy.Denial | policy.Unread | None:
    if job in view.unread:
        return policy.Unread("the repository that its pipeline must have cannot be read at present")
    return policy.decide(config, view.environments[job], view.repositories.get(job))
