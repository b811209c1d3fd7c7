"""Bindings: which claims to reserve at Buildkite, and which ready instance each claim gets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import agent_tags, serves
from mayfly.dispatch.actions import BindJob
from mayfly.dispatch.grants import denial, given, is_unjudged
from mayfly.dispatch.view import QueueView, busy_of, waiting_claims
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Instance, move_claim, move_instance
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.turns import in_turn, of_claims
from mayfly.tick.actions import NudgeProvision
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.words import Imds, Root

RESERVATION = timedelta(seconds=300)
RENEW_BEFORE = timedelta(seconds=240)
"""Renew with less than 240 of 300 s left, so each minute: a token dies with its reservation."""
TOKEN_LIFE = timedelta(seconds=300)
TOKEN_SLACK = timedelta(seconds=90)
"""Added to a token's life: tokens are minted after the tick began, at most an invocation later."""
TOKEN_DEAD = TOKEN_LIFE + TOKEN_SLACK
"""Time from the start of a tick until every token minted in the tick is certainly dead."""


def reservations_due(claims: Iterable[Claim], now: datetime, *, paused: bool) -> Iterator[Claim]:
    """Claims to reserve now: no reservation yet, or less than `RENEW_BEFORE` of it left.

    Only bound and waiting claims are reserved; in a paused queue, only bound ones.
    """
    for claim in claims:
        traits, until = claim.state.traits, claim.reserved_until
        held = traits.bound or (traits.waits and not paused)
        if held and (until is None or until - now < RENEW_BEFORE):
            yield claim


def with_reservations(
    claims: Iterable[Claim], ours: Collection[str], now: datetime
) -> tuple[Claim, ...]:
    """All claims; claims of the job ids in `ours` get a reservation that starts now."""
    until = now + RESERVATION
    return tuple(_reserved(c, until, now) if c.job in ours else c for c in claims)


def _reserved(claim: Claim, until: datetime, now: datetime) -> Claim:
    """The claim with a reservation; its first one is a phase."""
    phases = replace(claim.phases, reserved=claim.phases.reserved or now)
    return replace(claim, reserved_until=until, phases=phases)


def bind(
    view: QueueView, config: QueueConfig, now: datetime, unsaved: Collection[str] = ()
) -> Iterator[BindJob]:
    """Pair waiting claims with ready instances. Yields nothing for a paused or closed queue.

    Claims go in turn, as `records.turns` says, and within `limits/per-pipeline`; instances of the
    current spec go first, then the oldest. Claims without a reservation get no instance, because
    Buildkite would issue no token for them. `unsaved` has the job ids with a reservation that is
    not in the table yet.
    """
    if config.paused or config.closed or view.paused is not False:
        return
    if config.per_pipeline is not None and view.is_new:
        return  # A limit cannot be kept without what the former invocation bound.
    ours = {c.job: c for c in waiting_claims(view) if c.reserved(now)}
    free = sorted(view.ready, key=lambda i: (i.spec != view.spec, i.since, i.key))
    places = in_turn(of_claims(ours.values()), busy_of(view))
    for claim in [ours[each.job] for each in places if each.is_within(config.per_pipeline)]:
        if is_unjudged(config, claim.facts) or denial(config, claim.facts):
            continue  # The configuration has changed since the claim was settled.
        instance = next((i for i in free if serves(i.shape, claim.shape)), None)
        if instance is None or instance.sandbox_row is None:
            continue
        free.remove(instance)
        assigned, taken = bind_pair(claim, instance, config.max_minutes, now)
        yield BindJob(
            assigned,
            taken,
            _assignment(claim, instance, config, view.agent_endpoint),
            row=instance.sandbox_row,
            expires=now + TOKEN_DEAD,
            without_token=(Save(claim),) if claim.job in unsaved else (),
            reason=f"job {claim.job} goes to ready instance {instance.instance_id}",
        )


def bind_pair(
    claim: Claim, instance: Instance, max_minutes: int, now: datetime
) -> tuple[Claim, Instance]:
    """Claim and instance after their binding; `max_minutes` is kept in the instance's record.

    Raises Illegal unless the claim is waiting and the instance is ready.
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


def reservations_to_save(
    claims: Iterable[Claim], binds: Iterable[BindJob], unsaved: Collection[str]
) -> tuple[Claim, ...]:
    """Claims with an unsaved reservation and no binding: a binding saves its own reservation."""
    rest = set(unsaved) - {each.claim.job for each in binds}
    return tuple(claim for claim in claims if claim.job in rest)


def nudges(
    view: QueueView, claims: Iterable[Claim], bound: Collection[str], config: QueueConfig
) -> Iterator[NudgeProvision]:
    """At most one nudge, where `provision` may have to launch or to retire instances.

    A claim began to wait and got no instance, a hot instance was taken, or a claim waits no more,
    so that its instance may be beyond need.
    """
    waited = {claim.job for claim in view.claims if claim.state.traits.waits}
    before = {claim.job: claim.version for claim in view.claims}
    waiting = (claim for claim in claims if claim.state.traits.waits)
    fresh = {claim.job for claim in waiting if before.get(claim.job) != claim.version}
    if fresh - set(bound):
        yield NudgeProvision("jobs wait for an instance")
    elif bound and (config.hot.most or config.stopped.most):
        yield NudgeProvision("ready instances were taken")
    elif any(c.job in waited and not c.state.traits.waits for c in claims):
        yield NudgeProvision("jobs wait no more")


def _assignment(claim: Claim, instance: Instance, config: QueueConfig, endpoint: str) -> Assignment:
    """The assignment without its token: decisions never hold a token."""
    return Assignment(
        job=claim.job,
        boot=instance.boot or "",
        queue=config.queue,
        name=f"{config.queue}-{instance.instance_id}",
        tags=agent_tags(config, instance.shape),
        endpoint=endpoint,
        imds=Imds(config.imds),
        root=Root(config.root),
        max_minutes=config.max_minutes,
        rules=tuple(str(rule) for rule in config.rules_read),
        repository=claim.repository,
        config=config.agent_config,
        grants=given(config, claim.facts),
    )
