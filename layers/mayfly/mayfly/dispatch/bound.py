"""What is bound: which claims Buildkite holds for us, and which ready instance each gets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import agent_tags
from mayfly.dispatch.actions import BindJob
from mayfly.dispatch.view import QueueView
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Instance, Shape, move_claim, move_instance
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.actions import NudgeProvision
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.words import ROOT, Imds

RESERVATION = timedelta(seconds=300)
RENEW_BEFORE = timedelta(seconds=240)
"""Renewed each minute: the acquisition token dies with the reservation."""
TOKEN_LIFE = timedelta(seconds=300)
TOKEN_SLACK = timedelta(seconds=90)
"""A token is minted later than its tick began, at most by as long as an invocation may last."""
TOKEN_DEAD = TOKEN_LIFE + TOKEN_SLACK
"""How long after the start of its tick a token is dead for certain."""


def due(claims: Iterable[Claim], now: datetime, *, paused: bool) -> Iterator[Claim]:
    """Claims whose reservation is to be made or renewed; a pause lets that of waiting ones end."""
    for claim in claims:
        traits, until = claim.state.traits, claim.reserved_until
        held = traits.bound or (traits.waits and not paused)
        if held and (until is None or until - now < RENEW_BEFORE):
            yield claim


def reserved(claims: Iterable[Claim], ours: Collection[str], now: datetime) -> tuple[Claim, ...]:
    """All claims; the jobs in `ours` are reserved from now on."""
    until = now + RESERVATION
    return tuple(replace(c, reserved_until=until) if c.job in ours else c for c in claims)


def bind(
    view: QueueView, config: QueueConfig, now: datetime, unsaved: Collection[str] = ()
) -> Iterator[BindJob]:
    """Pair claims with ready instances: urgent jobs first, the newest spec first, oldest first.

    Without a reservation there can be no token: such a claim keeps no instance from others.
    `unsaved` names the jobs whose reservation is not in the table yet.
    """
    if config.paused or view.paused is not False:
        return
    ours = [c for c in view.claims if c.state.traits.waits and c.reserved(now)]
    free = sorted(view.ready, key=lambda i: (i.spec != view.spec, i.since, i.key))
    for claim in sorted(ours, key=lambda c: (-c.priority, c.runnable_at, c.job)):
        instance = next((i for i in free if serves(i.shape, claim.shape)), None)
        if instance is None or instance.sandbox_row is None:
            continue
        free.remove(instance)
        assigned, taken = bound(claim, instance, config.max_minutes, now)
        yield BindJob(
            assigned,
            taken,
            _assignment(claim, instance, config, view.agent_endpoint),
            row=instance.sandbox_row,
            expires=now + TOKEN_DEAD,
            unbound=(Save(claim),) if claim.job in unsaved else (),
            reason=f"instance {instance.instance_id} is ready",
        )


def bound(
    claim: Claim, instance: Instance, max_minutes: int, now: datetime
) -> tuple[Claim, Instance]:
    """Claim and instance as a binding leaves them; the host's ceiling is kept with the instance.

    Raises Illegal unless the claim waits and the instance is ready.
    """
    reason = f"bound to instance {instance.instance_id}"
    assigned = replace(
        move_claim(claim, ClaimState.ASSIGNED, now, reason),
        slot=instance.key,
        token_until=now + TOKEN_DEAD,
    )
    taken = replace(
        move_instance(instance, InstanceState.ASSIGNED, now, f"bound to job {claim.job}"),
        job=claim.job,
        max_minutes=max_minutes,
    )
    return assigned, taken


def unbound(
    claims: Iterable[Claim], binds: Iterable[BindJob], unsaved: Collection[str]
) -> tuple[Claim, ...]:
    """Reservations to be saved by themselves: those of bound claims are saved with the binding."""
    rest = set(unsaved) - {each.claim.job for each in binds}
    return tuple(claim for claim in claims if claim.job in rest)


def nudges(
    view: QueueView, claims: Iterable[Claim], bound: Collection[str], config: QueueConfig
) -> Iterator[NudgeProvision]:
    """A nudge if a claim began to wait in this tick and got no instance, or a hot one was taken."""
    before = {claim.job: claim.version for claim in view.claims}
    waiting = (claim for claim in claims if claim.state.traits.waits)
    fresh = {claim.job for claim in waiting if before.get(claim.job) != claim.version}
    if fresh - set(bound):
        yield NudgeProvision("jobs wait for an instance")
    elif bound and config.hot:
        yield NudgeProvision("ready instances were taken")


def serves(offered: Shape, wanted: Shape) -> bool:
    """Whether an instance of one shape may run a job that asked for another.

    How it was bought is nothing to the job; its type must be one that the job accepts.
    """
    return (
        offered.queue == wanted.queue
        and offered.architecture == wanted.architecture
        and set(offered.instance_types) <= set(wanted.instance_types)
    )


def _assignment(claim: Claim, instance: Instance, config: QueueConfig, endpoint: str) -> Assignment:
    """All that the host needs to run the job, but for the token, which is in no decision."""
    return Assignment(
        job=claim.job,
        boot=instance.boot or "",
        queue=config.queue,
        name=f"{config.queue}-{instance.instance_id}",
        tags=agent_tags(config, instance.shape),
        endpoint=endpoint,
        imds=Imds(config.imds),
        root=ROOT[config.root],
        max_minutes=config.max_minutes,
        rules=tuple(str(rule) for rule in config.rules),
        repository=claim.repository,
        config=config.agent_config,
    )
