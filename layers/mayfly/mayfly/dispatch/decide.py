"""Which jobs become claims, which claims get an instance, and which go back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mayfly.answers import Job, Listing
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import Mismatch, agent_tags, shape_for
from mayfly.dispatch import policy
from mayfly.dispatch.actions import BindJob, DispatchAction, FailJob, OpenClaims, ReserveJobs
from mayfly.dispatch.settle import ClaimsView, settle
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Instance, Shape, SlotKey, Step, move_claim, saved
from mayfly.records.states import OPEN_CLAIMS, ClaimState
from mayfly.tick.actions import NudgeProvision

RESERVATION = timedelta(seconds=300)
RENEW_BEFORE = timedelta(seconds=240)
"""Renewed each minute: the acquisition token dies with the reservation."""
TOKEN_LIFE = timedelta(seconds=300)
TOKEN_SLACK = timedelta(seconds=90)
"""A token is minted later than its tick began, at most by as long as an invocation may last."""
LOOK_AHEAD = 10
"""Jobs reserved beyond what the queue's max-instances can run at once."""
OPEN_AT_ONCE = 40
"""New claims a tick and queue: what one transaction and one tick's time can hold."""
PROTOCOL = 1
"""The assignment's protocol number; a host refuses one that it does not know."""


@dataclass(frozen=True, slots=True)
class DispatchView:
    """One queue as dispatch sees it."""

    listing: Listing | None
    """None when Buildkite was not or could not be asked: nothing new is opened."""
    paused: bool | None
    """Whether the queue is paused at Buildkite, by its last listing; None while that is unknown."""
    claims: tuple[Claim, ...]
    running: int
    """Running claims that are not among `claims`: they need no look, but take room."""
    closed: Mapping[str, Claim]
    """Former claims of listed jobs, which a new claim of the same job replaces."""
    ready: tuple[Instance, ...]
    instances: Mapping[SlotKey, Instance]
    states: Mapping[str, str]
    environments: Mapping[str, Mapping[str, str]]
    """By job, for jobs of a restricted queue that could be opened; absent means unknown."""
    repositories: Mapping[str, str]
    """By parameter name: what a pipeline's repository must be."""
    spec: str
    """The spec of what the queue would launch now."""
    agent_endpoint: str = ""


def decide(view: DispatchView, config: QueueConfig, now: datetime) -> list[DispatchAction]:
    """Settle what changed, open what is new, keep reservations alive, bind, tell, nudge."""
    paused = is_paused(view, config)
    settled = list(
        settle(ClaimsView(view.claims, view.states, view.instances, config.attempts, paused), now)
    )
    claims = _after(view.claims, settled)
    opened = list(_open(view, config, now)) if not paused else []
    waiting = [c for c in (*claims, *map(saved, opened)) if c.state is ClaimState.WAITING]
    bound = list(_bind(waiting, view, config, now))
    actions: list[DispatchAction] = [*settled]
    if opened:
        actions.append(OpenClaims(tuple(opened), f"{len(opened)} new jobs"))
    due = tuple(_due(claims, waiting, paused, now))
    if due:
        actions.append(ReserveJobs(due, "reservations are made or renewed"))
    actions.extend(bound)
    untold = [c for c in (*claims, *map(saved, opened)) if _untold(c)]
    actions.extend(FailJob(claim, claim.reason) for claim in untold)
    served = {bind.claim.job for bind in bound}
    fresh = {c.job for c in opened} | {c.job for c in _changed(settled)}
    if any(c.job in fresh and c.job not in served for c in waiting):
        actions.append(NudgeProvision("jobs wait for an instance"))
    elif bound and config.hot:
        actions.append(NudgeProvision("ready instances were taken"))
    return actions


def is_paused(view: DispatchView, config: QueueConfig) -> bool:
    """Whether new work is stopped, by the operator here or at Buildkite."""
    return config.paused or view.paused is True


def candidates(view: DispatchView, config: QueueConfig) -> list[tuple[Job, Shape]]:
    """Listed jobs that could be opened now, most urgent first, as far as there is room."""
    if view.listing is None or is_paused(view, config):
        return []
    known = {claim.job for claim in view.claims}
    held = sum(c.state in OPEN_CLAIMS for c in view.claims) + view.running
    room = config.max_instances + LOOK_AHEAD - held
    fitting = [
        (job, shape)
        for job in view.listing.jobs
        if job.id not in known and isinstance(shape := shape_for(config, job.rules), Shape)
    ]
    fitting.sort(key=lambda pair: (-pair[0].priority, pair[0].scheduled_at, pair[0].id))
    return fitting[: max(0, min(room, OPEN_AT_ONCE))]


def left_alone(view: DispatchView, config: QueueConfig) -> dict[str, Mismatch]:
    """Listed jobs that this queue cannot serve, with the rule that failed. They are not touched."""
    jobs = view.listing.jobs if view.listing is not None else ()
    shapes = {job.id: shape_for(config, job.rules) for job in jobs}
    return {job: shape for job, shape in shapes.items() if isinstance(shape, Mismatch)}


def _open(view: DispatchView, config: QueueConfig, now: datetime) -> Iterator[Claim]:
    for job, shape in candidates(view, config):
        former = view.closed.get(job.id)
        if former is not None and (former.open or former.state is ClaimState.FINISHED):
            continue  # an index or a list lags: it has a claim already, or an agent had it
        claim = Claim(
            job=job.id,
            queue=config.queue,
            shape=shape,
            state=ClaimState.WAITING,
            since=now,
            runnable_at=job.scheduled_at,
            priority=job.priority,
            pipeline=job.pipeline,
            build=job.build,
            step=job.step,
            history=(Step(ClaimState.WAITING, now, "Buildkite lists it"),),
            version=former.version if former is not None else 0,
        )
        if not config.restricted:
            yield claim
        elif job.id in view.environments:
            yield _judged(claim, view, config, now)


def _judged(claim: Claim, view: DispatchView, config: QueueConfig, now: datetime) -> Claim:
    """The claim if policy allows the job; else failed, to be told to Buildkite."""
    environment = view.environments[claim.job]
    name = policy.repository_parameter(config, environment)
    required = view.repositories.get(name) if name else None
    denial = policy.decide(config, environment, required)
    if denial is None:
        return replace(claim, repository=required)
    return replace(move_claim(claim, ClaimState.FAILED, now, denial.reason), told=False)


def _bind(
    waiting: Iterable[Claim], view: DispatchView, config: QueueConfig, now: datetime
) -> Iterator[BindJob]:
    """Pair claims with ready instances: urgent jobs first, the newest spec first, oldest first."""
    if config.paused or view.paused is not False:
        return
    ours = (claim for claim in waiting if _is_ours(claim, now))
    free = sorted(view.ready, key=lambda i: (i.spec != view.spec, i.since, i.key))
    for claim in sorted(ours, key=lambda c: (-c.priority, c.runnable_at, c.job)):
        instance = next((i for i in free if serves(i.shape, claim.shape)), None)
        if instance is None:
            continue
        free.remove(instance)
        yield BindJob(
            claim,
            instance,
            _assignment(claim, instance, config, view.agent_endpoint),
            f"instance {instance.instance_id} is ready",
        )


def _is_ours(claim: Claim, now: datetime) -> bool:
    """Whether there can be a token for it: without one it would keep an instance from others.

    What this very tick has opened is reserved before anything is bound.
    """
    return claim.reserved(now) or (claim.reserved_until is None and claim.since == now)


def serves(offered: Shape, wanted: Shape) -> bool:
    """Whether an instance of one shape may run a job that asked for another.

    How it was bought is nothing to the job; its type must be one that the job accepts.
    """
    return (
        offered.queue == wanted.queue
        and offered.architecture == wanted.architecture
        and set(offered.instance_types) <= set(wanted.instance_types)
    )


def _assignment(
    claim: Claim, instance: Instance, config: QueueConfig, endpoint: str
) -> dict[str, object]:
    """All that the host needs to run the job, but for the token, which is in no decision."""
    return {
        "protocol": PROTOCOL,
        "job": claim.job,
        "boot": instance.boot,
        "queue": config.queue,
        "name": f"{config.queue}-{instance.instance_id}",
        "tags": agent_tags(config, instance.shape),
        "endpoint": endpoint,
        "imds": config.imds,
        "root": config.root,
        "max_minutes": config.max_minutes,
        "policy": {
            "rules": [str(rule) for rule in config.rules],
            "repository": claim.repository,
        },
        "config": config.agent_config,
    }


def _due(
    claims: Iterable[Claim], waiting: Iterable[Claim], paused: bool, now: datetime
) -> Iterator[Claim]:
    """Claims whose reservation is to be made or renewed; a pause lets it run out."""
    held = [c for c in claims if c.state is ClaimState.ASSIGNED]
    for claim in (*held, *(() if paused else waiting)):
        if claim.reserved_until is None or claim.reserved_until - now < RENEW_BEFORE:
            yield claim


def _untold(claim: Claim) -> bool:
    return claim.state is ClaimState.FAILED and not claim.told


def _changed(writes: Iterable[object]) -> Iterator[Claim]:
    for write in writes:
        for change in getattr(write, "changes", ()):
            if isinstance(change, Save) and isinstance(change.record, Claim):
                yield change.record


def _after(claims: Iterable[Claim], writes: Iterable[object]) -> list[Claim]:
    """The claims as they will stand once these writes are made."""
    changed = {claim.job: saved(claim) for claim in _changed(writes)}
    return [changed.get(claim.job, claim) for claim in claims]
