"""What operators are told of purchase and stopped pool: why work is done otherwise than wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import named
from mayfly.provision.pool import standard_shape, too_old
from mayfly.provision.purchase import dry_pools, may_be_on_demand, may_be_spot, zone_of
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Instance, Shape
from mayfly.records.states import InstanceState
from mayfly.records.why import Code, Why, why

UNSTOPPED = {"running": timedelta(minutes=1), "stopping": timedelta(minutes=5)}
"""How long EC2 may show an instance in these states that it was told to stop, before that is told.

A machine may take minutes to shut down."""
_GIVEN_UP = f"{(InstanceState.STOPPING.traits.deadline or timedelta()).seconds // 60} minutes"
"""The deadline of the state `stopping`, in words."""


def bought_otherwise(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[Why]:
    """Which pools of spot are dry, what is bought in their stead, and until when; by shape.

    Nothing of a queue that buys nothing in their stead: for it `NO_CAPACITY` says what it lacks.
    """
    known = (Shape.parse(name) for name in view.ledger.spot_dry_until)
    shapes = dict.fromkeys([standard_shape(config), *(c.shape for c in view.waiting), *known])
    for shape in shapes:
        if may_be_spot(config, shape) and (found := _dry(shape, view, config, now)) is not None:
            yield found


def _dry(shape: Shape, view: ProvisionView, config: QueueConfig, now: datetime) -> Why | None:
    zones = dict.fromkeys(zone_of(view.zones, subnet) for subnet in view.infra.subnets)
    every = [(kind, zone) for kind in shape.instance_types for zone in zones]
    gone = dry_pools(view.ledger, view.zones, now)
    dry = [pool for pool in every if pool in gone]
    until = view.ledger.spot_dry_until.get(str(shape))
    is_shape_dry = until is not None and now < until
    on_demand = is_shape_dry or len(dry) == len(every)
    if not (dry or is_shape_dry) or (on_demand and not may_be_on_demand(config)):
        return None
    later = [at for at in view.ledger.dry_pools.values() if now < at]
    again = until if until is not None and is_shape_dry else min(later)
    pools = ", ".join(f"{kind} in {zone}" for kind, zone in dry) or named(shape)
    instead = "on-demand instances are bought" if on_demand else "the other pools are asked"
    text = f"spot has too few {pools}: {instead} until {again:%H:%M:%S} UTC"
    return why(Code.SPOT_DRY, text, now, next_try=again, subject=str(shape))


def about_stopped(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[Why]:
    """Why stopped instances are not started, not stopped, kept back, or replaced; by shape."""
    for shape in dict.fromkeys(i.shape for i in view.stopped):
        mine = [i for i in view.stopped if i.shape == shape]
        stopped = [i for i in mine if i.state is InstanceState.STOPPED]
        yield from _unstarted(shape, stopped, now)
        yield from _unstopped(shape, mine, view, now)
        if stopped and (config.paused or view.paused):
            text = f"{_count(stopped)} kept, and none is started, while the queue is paused"
            yield why(Code.STOPPED_KEPT, text, now, subject=str(shape))
        old = {i.key: reason for i in stopped if (reason := too_old(i, view, config, now))}
        if old:
            causes = " and ".join(dict.fromkeys(old.values()))
            text = f"{_count(old)} replaced, a few at a time: {causes}"
            yield why(Code.STOPPED_REPLACED, text, now, subject=str(shape))


def _unstarted(shape: Shape, stopped: Iterable[Instance], now: datetime) -> Iterator[Why]:
    after = [i.start_after for i in stopped if i.start_after is not None and now < i.start_after]
    if after:
        many = "a stopped instance" if len(after) == 1 else f"{len(after)} stopped instances"
        text = f"EC2 did not start {many} ({named(shape)}): jobs get launches"
        yield why(Code.START_REFUSED, text, now, next_try=min(after), subject=str(shape))


def _unstopped(
    shape: Shape, mine: Iterable[Instance], view: ProvisionView, now: datetime
) -> Iterator[Why]:
    late = [
        i
        for i in mine
        if i.state is InstanceState.STOPPING
        and (patience := UNSTOPPED.get(view.power.get(i.instance_id or "", ""))) is not None
        and now - i.since >= patience
    ]
    if late:
        asked = min(i.since for i in late)
        many = "an instance" if len(late) == 1 else f"{len(late)} instances"
        since = f"since {asked:%H:%M:%S} UTC"
        text = f"EC2 has not stopped {many} {since}: what does not stop in {_GIVEN_UP} is replaced"
        yield why(Code.STOP_REFUSED, text, now, subject=str(shape))


def _count(stopped: Iterable[object]) -> str:
    number = len(list(stopped))
    return "1 stopped instance is" if number == 1 else f"{number} stopped instances are"
