"""Decides what a tick does for one queue, and how many instances to launch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mayfly.config.boots import boot_minutes, brake_for
from mayfly.config.infra import Infra
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import matching, serves
from mayfly.provision.actions import AdoptLaunch, ProvisionAction, RecordLaunch, SendLaunch
from mayfly.provision.missing import missing_instances
from mayfly.provision.not_launched import not_launched
from mayfly.provision.purchase import purchase
from mayfly.provision.request import fleet_request, one_subnet_per_zone
from mayfly.provision.retire import next_retirement, retire
from mayfly.provision.retire_stopped import retire_stopped
from mayfly.provision.settlement import overdue
from mayfly.provision.shares import LIMITED, kept_launches, recent_launches, shares
from mayfly.provision.switch import switch
from mayfly.provision.view import ProvisionView
from mayfly.records.brakes import counted, rounds_since
from mayfly.records.changes import Save
from mayfly.records.ledger import launch_id
from mayfly.records.model import Claim, Instance, Launch, Pinned, Shape, SlotKey, Step, move_claim
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from mayfly.records.why import Why
from mayfly.tick.actions import NudgeReap, WriteRecords

HICCUP = timedelta(minutes=1)
"""How long AWS may fail every boot before jobs are given up. A launch that EC2 ends at once fails
within 2 s; the brake's first pause is as long as this, so its trial comes first."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a tick does for one queue, and why it launches no more than that."""

    actions: tuple[ProvisionAction, ...]
    held: tuple[Why, ...]
    """One reason for each shape of which instances are wanted and not launched."""


def decide(view: ProvisionView, config: QueueConfig, now: datetime) -> list[ProvisionAction]:
    """The actions of one tick for one queue. See `decided`."""
    return list(decided(view, config, now).actions)


def decided(view: ProvisionView, config: QueueConfig, now: datetime) -> Decided:
    """The actions of one tick for one queue: repeat or adopt open launches, retire, launch.

    Per shape: launch = jobs waiting + targets - ready - coming - stopped. A tick starts at most one
    launch, because each launch races for the queue's ledger row. The save of that row counts the
    boots that have ended; without a launch they are counted by themselves.
    """
    view = replace(view, waiting=matching(view.waiting, config))
    switched, view = switch(view, config, now)
    # First what is fast: an answer to a launch may take seconds.
    actions: list[ProvisionAction] = [*switched, *_open_launches(view, now)]
    retired = [*retire_stopped(view, config, now), *retire(view, config, now)]
    actions.extend(retired)
    condemned = len(retired) + sum(isinstance(each, WriteRecords) for each in switched)
    if condemned:
        actions.append(NudgeReap(f"{condemned} instances are condemned"))
    stored, view = view.ledger, replace(view, ledger=counted(view.ledger, now))
    hopeless = list(given_up(view, config))
    actions.extend(_failed(claim, reason, now) for claim, reason in hopeless)
    jobs = {claim.job for claim, _ in hopeless}
    view = replace(view, waiting=tuple(c for c in view.waiting if c.job not in jobs))
    wanted = {} if view.refused else shares(view, config, now)
    launches = (_new_launch(view, config, shape, count, now) for shape, count in wanted.items())
    launch = next(launches, None)
    if launch is not None:
        actions.append(launch)
    elif view.ledger != stored and not view.launches:
        # An answer to a launch saves the ledger too.
        actions.append(WriteRecords((Save(view.ledger),), "boots that ended are counted"))
    return Decided(tuple(actions), not_launched(view, config, launch, now))


def next_change(view: ProvisionView, config: QueueConfig, now: datetime) -> datetime | None:
    """The earliest later time at which equal facts give another decision; None for no such time.

    Times of launches: the end of a wait after a refusal, the next trial of a braked shape, the
    end of the minute that a limit counts. A queue at `limits/max-instances` has none: `reap`
    nudges when instances have ended. Times of retirements: see `next_retirement`. Last, the pool's
    schedule may change its target.
    """
    view = replace(view, waiting=matching(view.waiting, config), ledger=counted(view.ledger, now))
    times = [next_retirement(view, config, now)]
    if not config.paused:
        times.extend(pool.next_change(now) for pool in (config.hot, config.stopped))
    is_full = view.ledger.live >= config.max_instances
    if not view.refused and not is_full:
        lacking = missing_instances(view, config, now)
        times.extend(_next_launch(view, config, s, now) for s, n in lacking.items() if n > 0)
    return min((at for at in times if at is not None and at > now), default=None)


def _next_launch(
    view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime
) -> datetime | None:
    """When a launch of a shape that lacks instances becomes possible; None when now."""
    ledger = view.ledger
    brake = brake_for(ledger, view.spec, config, shape)
    recent = sorted((at + LIMITED, slots) for at, slots in recent_launches(ledger, now))
    is_limited = sum(slots for _, slots in recent) >= config.max_launches_per_minute
    times = [
        ledger.retry_at.get(str(shape)),
        brake.next_trial if brake is not None else None,
        recent[0][0] if is_limited else None,
    ]
    return max((at for at in times if at is not None), default=None)


def given_up(view: ProvisionView, config: QueueConfig) -> Iterator[tuple[Claim, str]]:
    """Jobs that waited through `job/attempts` failed boots, each with the reason for its page.

    Boots that all fail within `HICCUP` end no job that has several attempts: the first trial after
    the brake tells trouble that lasts. No job is given up while an instance that serves it is
    coming or ready, nor on a paused queue: whoever paused it repairs it.
    """
    supplied = {i.shape for i in view.instances}
    for claim in view.waiting if not (config.paused or view.paused) else ():
        brake = brake_for(view.ledger, view.spec, config, claim.shape)
        rounds = rounds_since(brake, claim.since)
        if brake is None or len(rounds) < config.attempts:
            continue
        lasts = config.attempts == 1 or rounds[-1] - rounds[0] >= HICCUP
        is_supplied = any(serves(shape, claim.shape) for shape in supplied)
        if lasts and not is_supplied:
            waited = f"{len(rounds)} boots, one after the other, failed while the job waited"
            yield claim, f"Mayfly gave up: {waited} for an instance; the last one, {brake.cause}"


def _failed(claim: Claim, reason: str, now: datetime) -> WriteRecords:
    """The end of a claim; `dispatch` tells Buildkite."""
    failed = replace(move_claim(claim, ClaimState.FAILED, now, reason), told=False)
    return WriteRecords((Save(failed),), reason)


def _open_launches(view: ProvisionView, now: datetime) -> Iterator[ProvisionAction]:
    """Send open launches again, byte for byte: the same token gives the same instances.

    An overdue launch is adopted, because EC2 may have forgotten its token. A queue that must not
    launch sends nothing.
    """
    for launch in view.launches:
        slots = view.slots.get(launch.id, ())
        if overdue(launch, now):
            yield AdoptLaunch(launch, slots, f"EC2's answer to launch {launch.id} was lost")
        elif not view.refused:
            yield SendLaunch(launch, slots, f"EC2's answer to launch {launch.id} is still to come")


def _new_launch(
    view: ProvisionView, config: QueueConfig, shape: Shape, count: int, now: datetime
) -> RecordLaunch:
    """A launch of so many instances, which the limits must allow."""
    ledger = view.ledger
    name = launch_id(view.stack, ledger)
    infra = one_subnet_per_zone(view.infra, view.zones, name)
    bought = purchase(view, config, shape, infra, now)
    tags = {"mayfly-stack": view.stack, "mayfly-queue": config.queue, "mayfly-launch": name}
    launch = Launch(
        id=name,
        queue=config.queue,
        shape=shape,
        state=LaunchState.OPEN,
        since=now,
        created=now,
        request=fleet_request(infra, shape, bought, count, tags),
        slots=count,
        spec=view.spec,
        market=bought.market,
        history=(Step(LaunchState.OPEN, now, "more instances wanted than ready or coming"),),
    )
    taken = replace(
        ledger,
        next_launch=ledger.next_launch + 1,
        live=ledger.live + count,
        recent=(*kept_launches(ledger, now), (now, count)),
    )
    slots = tuple(_slots(launch, view.infra, config))
    return RecordLaunch(launch, slots, taken, f"launch {name}: {count} more of {shape} wanted")


def _slots(launch: Launch, infra: Infra, config: QueueConfig) -> Iterator[Instance]:
    pinned = Pinned(
        bootstrap_profile=infra.bootstrap_profile,
        sandbox_profile=infra.sandbox_profile,
        bootstrap_role_id=infra.bootstrap_role_id,
        sandbox_role_id=infra.sandbox_role_id,
        script_minutes=config.script.minutes if config.script is not None else 0,
    )
    for number in range(launch.slots):
        yield Instance(
            key=SlotKey(launch.id, number),
            queue=launch.queue,
            shape=launch.shape,
            state=InstanceState.REQUESTED,
            since=launch.created,
            created=launch.created,
            spec=launch.spec,
            pinned=pinned,
            boot_minutes=boot_minutes(config, launch.shape),
            history=(Step(InstanceState.REQUESTED, launch.created, "a slot of a new launch"),),
        )
