"""How many instances to launch, and which idle ones are not needed any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mayfly.config.infra import Infra
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import shape_for
from mayfly.provision.actions import AdoptLaunch, ProvisionAction, RecordLaunch, SendLaunch
from mayfly.provision.request import fleet_request
from mayfly.provision.settlement import overdue
from mayfly.records.changes import Save
from mayfly.records.model import (
    Claim,
    Instance,
    Launch,
    Ledger,
    Pinned,
    Shape,
    SlotKey,
    Step,
    launch_id,
    move_instance,
)
from mayfly.records.states import InstanceState, LaunchState, Supply
from mayfly.tick.actions import WriteRecords

LAUNCH_AT_ONCE = 40
"""Slots of one launch: launch, slots and ledger row must fit into one transaction of 100."""
REPLACE_AT_ONCE = 2
"""Outdated instances for which a successor may be under way at any time."""
OVERDUE = timedelta(hours=1)
"""How long an instance that was idle for too long may wait for its successor."""
IDLE_GRACE = timedelta(minutes=5)
"""How long a ready instance is kept for which there is neither a job nor a target."""


@dataclass(frozen=True, slots=True)
class ProvisionView:
    """One queue as provision sees it."""

    stack: str
    infra: Infra
    spec: str
    waiting: tuple[Claim, ...]
    instances: tuple[Instance, ...]
    """Those that are coming or ready."""
    launches: tuple[Launch, ...]
    """Those to which EC2's answer is still to come."""
    slots: Mapping[str, tuple[Instance, ...]]
    """The requested slots of open launches, by launch."""
    ledger: Ledger
    refused: str = ""
    """Why this queue must not launch at all; empty when it may."""


def decide(view: ProvisionView, config: QueueConfig, now: datetime) -> list[ProvisionAction]:
    """Per shape: launch = jobs waiting + target - ready - coming. What is idle too long goes.

    At most one launch is started in a tick: each is a race for the queue's ledger row.
    """
    actions: list[ProvisionAction] = [*_unanswered(view, now)]
    actions.extend(_retire(view, config, now))
    for shape in _shapes(view, config):
        missing = _missing(view, config, shape, now)
        if missing > 0:
            start = _start(view, config, shape, missing, now)
            if start is not None:
                actions.append(start)
                break
    return actions


def problems(view: ProvisionView) -> Iterator[str]:
    """Why the queue cannot launch what is wanted; a person must change something."""
    if view.refused:
        yield view.refused
    wanted = {claim.shape.architecture for claim in view.waiting}
    for architecture in sorted(wanted - view.infra.templates.keys()):
        yield f"jobs wait for {architecture}, and its stack has no launch template for it"


def _unanswered(view: ProvisionView, now: datetime) -> Iterator[ProvisionAction]:
    """Open launches: sent again byte for byte, for the same token gives the same instances.

    An overdue one is adopted: EC2 may have forgotten its token. A refused queue sends nothing.
    """
    for launch in view.launches:
        slots = view.slots.get(launch.id, ())
        if overdue(launch, now):
            yield AdoptLaunch(launch, slots, "EC2's answer to it was lost")
        elif not view.refused:
            yield SendLaunch(launch, slots, "EC2's answer to it is still to come")


def _shapes(view: ProvisionView, config: QueueConfig) -> list[Shape]:
    """Shapes that anybody wants and the queue stack can launch, of the most urgent jobs first."""
    waiting = sorted(view.waiting, key=lambda c: (-c.priority, c.runnable_at, c.job))
    wanted = [claim.shape for claim in waiting]
    shapes = dict.fromkeys([*wanted, *([standard_shape(config)] if config.hot else [])])
    return [shape for shape in shapes if shape.architecture in view.infra.templates]


def standard_shape(config: QueueConfig) -> Shape:
    """The shape of a job that asks for nothing; it is what the warm pool holds."""
    shape = shape_for(config, ())
    if not isinstance(shape, Shape):
        raise TypeError(f"queue {config.queue} does not match its own defaults: {shape}")
    return shape


def _target(config: QueueConfig, shape: Shape) -> int:
    return config.hot if not config.paused and shape == standard_shape(config) else 0


def _supply(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Instances that serve the shape, without those outdated ones whose successors are due."""
    mine = [i for i in view.instances if i.shape == shape]
    outdated = sum(bool(_outdated(i, view, config, now)) for i in mine)
    keeps_pool = _target(config, shape) > 0
    return len(mine) - (min(outdated, REPLACE_AT_ONCE) if keeps_pool else 0)


def _missing(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    # A paused queue binds nothing, and what Buildkite does not reserve for us may never be ours.
    demand = [] if config.paused else [c for c in view.waiting if c.reserved(now)]
    waiting = sum(claim.shape == shape for claim in demand)
    return waiting + _target(config, shape) - _supply(view, config, shape, now)


def _start(
    view: ProvisionView, config: QueueConfig, shape: Shape, missing: int, now: datetime
) -> RecordLaunch | None:
    """A launch of what is missing, within the queue's limits; None when it must wait."""
    ledger = view.ledger
    recent = tuple((at, n) for at, n in ledger.recent if now - at < timedelta(minutes=1))
    count = min(
        missing,
        LAUNCH_AT_ONCE,
        config.max_instances - ledger.live,
        config.max_launches_per_minute - sum(n for _, n in recent),
    )
    retry_at = ledger.retry_at.get(str(shape))
    if view.refused or count <= 0 or (retry_at is not None and now < retry_at):
        return None
    market = _market(config, ledger, shape, now)
    name = launch_id(view.stack, ledger)
    tags = {"mayfly-stack": view.stack, "mayfly-queue": config.queue, "mayfly-launch": name}
    launch = Launch(
        id=name,
        queue=config.queue,
        shape=shape,
        state=LaunchState.OPEN,
        since=now,
        created=now,
        request=fleet_request(view.infra, shape, market, count, tags),
        slots=count,
        spec=view.spec,
        market=market,
        history=(Step(LaunchState.OPEN, now, "more is wanted than is ready or coming"),),
    )
    taken = replace(
        ledger,
        next_launch=ledger.next_launch + 1,
        live=ledger.live + count,
        recent=(*recent, (now, count)),
    )
    slots = tuple(_slots(launch, view.infra, config))
    return RecordLaunch(launch, slots, taken, f"{count} of {shape} wanted")


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
            history=(Step(InstanceState.REQUESTED, launch.created, "a slot of a new launch"),),
        )


def _market(config: QueueConfig, ledger: Ledger, shape: Shape, now: datetime) -> str:
    if config.purchase != "spot-then-on-demand":
        return config.purchase
    dry = ledger.spot_dry_until.get(str(shape))
    return "on-demand" if dry is not None and now < dry else "spot"


def _retire(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[WriteRecords]:
    """Condemn idle instances: outdated, or beyond need. Never one that a waiting job could use."""
    ready = [i for i in view.instances if i.state.traits.supply is Supply.READY]
    waiting = Counter(claim.shape for claim in view.waiting)
    for shape in dict.fromkeys(i.shape for i in ready):
        idle = [i for i in ready if i.shape == shape]
        spare = len(idle) - waiting[shape] - _target(config, shape)
        outdated_first = sorted(
            idle, key=lambda i: (not _outdated(i, view, config, now), i.since, i.key)
        )
        for instance in outdated_first:
            reason = _retirement(instance, view, config, spare, now)
            if reason:
                spare -= 1
                condemned = move_instance(instance, InstanceState.CONDEMNED, now, reason)
                yield WriteRecords((Save(condemned),), f"condemned: {reason}")


def _outdated(instance: Instance, view: ProvisionView, config: QueueConfig, now: datetime) -> str:
    """Why an idle instance is to be replaced by another; empty when it is not."""
    if instance.state.traits.supply is not Supply.READY:
        return ""
    if instance.spec != view.spec:
        return "it was made by an older configuration"
    return f"it was idle for {config.max_idle}" if now - instance.since > config.max_idle else ""


def _retirement(
    instance: Instance, view: ProvisionView, config: QueueConfig, spare: int, now: datetime
) -> str:
    """Why an idle instance shall go; empty when it shall stay."""
    idle = now - instance.since
    outdated = _outdated(instance, view, config, now)
    if outdated and view.ledger.live >= config.max_instances:
        # Its successor finds no room until it is gone: the pool is short by a few meanwhile.
        spare += REPLACE_AT_ONCE
    if spare > 0 and (outdated or idle > IDLE_GRACE):
        return outdated or "neither a job nor the target needs it"
    return outdated if idle > config.max_idle + OVERDUE else ""
