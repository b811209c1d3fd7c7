"""New claims: which listed jobs become claims, by agent rule, room and the queue's policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mayfly.answers import Listing
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import Mismatch, by_configuration, shape_for
from mayfly.dispatch import grants, policy
from mayfly.dispatch.view import (
    Candidate,
    QueueView,
    busy_of,
    is_paused,
    waiting_claims,
    without_mismatches,
)
from mayfly.errors import Failure
from mayfly.records.model import Claim, Step, move_claim
from mayfly.records.states import Agent, ClaimState
from mayfly.records.turns import Place, Wanted, in_turn, of_claims
from mayfly_protocol.job_facts import JobFacts

LOOK_AHEAD = 10
"""Places for jobs beyond the queue's `limits/max-instances`."""
OPEN_AT_ONCE = 40
"""New claims per tick and queue: they must fit into one transaction and one tick's time."""


def first_listed(listing: Listing | Failure) -> list[str]:
    """Ids of the first listed jobs, before it is known which of them have a claim already."""
    return [job.id for job in listing.jobs[:OPEN_AT_ONCE]] if isinstance(listing, Listing) else []


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
    view = replace(
        view,
        unmatched=lost | {job.id: shape for job, shape in shapes if isinstance(shape, Mismatch)},
    )
    order = _Order.of(view, fitting, config)
    view = replace(view, over_limit=order.over_limit(fitting))
    if is_paused(view, config):
        return replace(view, candidates=(), left_out=False)
    fitting = [each for each in fitting if each.job.id not in view.over_limit]
    placed = order.placed(fitting)[:OPEN_AT_ONCE]
    return replace(view, candidates=placed, left_out=len(placed) < min(len(fitting), OPEN_AT_ONCE))


@dataclass(frozen=True, slots=True)
class _Order:
    """Jobs that wait, listed or claimed, in turn, and the number of their places.

    The places are `limits/max-instances` and the look-ahead, less the busy ones. A job finds a
    place unless jobs that come before it hold all: a more urgent job, and a job of a pipeline that
    comes before the other pipelines, is always opened. Jobs of stalled shapes, and jobs that
    Buildkite does not reserve, hold places against each other only. Jobs over the limit of their
    pipeline hold none.
    """

    places: int
    live: tuple[Place, ...]
    """Without the jobs that hold places against each other only."""
    every: tuple[Place, ...]
    claims: Mapping[str, Claim]
    """The waiting claims, by job."""
    limit: int | None

    @classmethod
    def of(cls, view: QueueView, fitting: Sequence[Candidate], config: QueueConfig) -> _Order:
        """The order of the view's waiting claims and of the listed jobs that match the queue."""
        claims = without_mismatches(waiting_claims(view), view)
        busy = busy_of(view)
        stalled, refused = view.stalled.shapes, view.refused
        hopeless = {c.job for c in claims if c.shape in stalled or c.job in refused}
        hopeless |= {c.job.id for c in fitting if c.shape in stalled or c.job.id in refused}
        wanted = [*of_claims(claims), *map(_wanted, fitting)]
        live = in_turn((each for each in wanted if each.job not in hopeless), busy)
        return cls(
            places=config.max_instances - min(busy.total(), config.max_instances) + LOOK_AHEAD,
            live=live,
            every=in_turn(wanted, busy) if hopeless else live,
            claims={claim.job: claim for claim in claims},
            limit=config.per_pipeline,
        )

    def over_limit(self, fitting: Iterable[Candidate]) -> dict[str, str]:
        """By job: the pipelines of jobs that must wait for other jobs of their pipeline."""
        if self.limit is None:
            return {}
        pipelines = {each.job.id: each.job.pipeline for each in fitting}
        pipelines |= {job: claim.pipeline for job, claim in self.claims.items()}
        turns = {each.job: each for each in (*self.every, *self.live)}  # A live job's place counts.
        return {job: pipelines[job] for job, place in turns.items() if not self._may(place)}

    def placed(self, fitting: Iterable[Candidate]) -> tuple[Candidate, ...]:
        """The candidates that find a place, the next one first."""
        candidates = {each.job.id: each for each in fitting}
        live = [each.job for each in filter(self._may, self.live)]
        alive = set(live)
        # Jobs that other jobs do not count come last.
        every = [each.job for each in filter(self._may, self.every)]
        others = [job for job in every[: self.places] if job not in alive]
        chosen = [*live[: self.places], *others]
        return tuple(candidates[job] for job in chosen if job in candidates)

    def _may(self, place: Place) -> bool:
        return place.is_within(self.limit)


def _wanted(candidate: Candidate) -> Wanted:
    job = candidate.job
    return Wanted(job.id, job.pipeline, job.priority, job.runnable_at, claimed=False)


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
            facts = JobFacts.of(view.environments[claim.job]) if config.has_grants else None
            yield replace(claim, repository=view.repositories.get(claim.job), facts=facts)


def held_jobs(view: QueueView, config: QueueConfig) -> Mapping[str, policy.Unread]:
    """Candidates that wait until the policy can be read, with the reason."""
    if not config.restricted:
        return {}
    jobs = [each.job.id for each in view.candidates if each.job.id in view.environments]
    judged = {job: _judge(job, view, config) for job in jobs}
    return {job: each for job, each in judged.items() if isinstance(each, policy.Unread)}


def unread_candidates(view: QueueView, config: QueueConfig) -> frozenset[str]:
    """Candidates that are not opened because a fact about them could not be read."""
    jobs = {candidate.job.id for candidate in view.candidates}
    unread = set(view.unreadable)
    if config.restricted:
        unread |= jobs - view.environments.keys() - view.awaited
    return frozenset(jobs & unread)


def unjudged_jobs(view: QueueView, config: QueueConfig) -> frozenset[str]:
    """Listed jobs that the policy has not judged in this tick, because facts are missing.

    Such a job has no place, or its environment is unknown. Claimed jobs are omitted.
    """
    if not config.restricted or view.listing is None:
        return frozenset()
    known = view.environments.keys() | {claim.job for claim in view.claims}
    return frozenset(job.id for job in view.listing.jobs if job.id not in known)


def _judge(job: str, view: QueueView, config: QueueConfig) -> policy.Denial | policy.Unread | None:
    """What the policy says of a job, then what guards that which the job would be given."""
    facts = JobFacts.of(view.environments[job])
    found, by_grants = _by_policy(job, view, config), None
    if not isinstance(found, policy.Denial):
        lists = grants.list_names(config, facts)
        by_grants = grants.judge(config, facts, view.lists.get(job, grants.lists_of(lists, {})))
    return by_grants if isinstance(by_grants, policy.Denial) else found or by_grants


def _by_policy(
    job: str, view: QueueView, config: QueueConfig
) -> policy.Denial | policy.Unread | None:
    environment = view.environments[job]
    if job in view.unread:
        text = "the repository that its pipeline must have cannot be read at present"
        unread = policy.Unread(text, view.unread[job])
        # What denies the job by its rules alone denies it whatever the repository is.
        by_rules = policy.decide(replace(config, repository_from=None), environment, None)
        return by_rules if isinstance(by_rules, policy.Denial) else unread
    return policy.decide(config, environment, view.repositories.get(job))
