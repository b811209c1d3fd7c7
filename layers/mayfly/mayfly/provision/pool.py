"""The warm pool of a queue: its shape and target, and the instances that it must replace."""

from __future__ import annotations

from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import shape_for
from mayfly.provision.view import ProvisionView
from mayfly.records.idle_ends import fill_again_at
from mayfly.records.model import Instance, Shape
from mayfly.records.states import InstanceState, Supply
from mayfly.records.why import Code, Why, why

REPLACE_AT_ONCE = 2
"""Outdated instances that may have a successor under way at the same time."""
OF_OLDER_SPEC = "the instance was made by an older configuration"


def standard_shape(config: QueueConfig) -> Shape:
    """The shape of a job without agent rules, which is also the warm pool's shape.

    Raises TypeError when the configuration does not match its own defaults: a defect.
    """
    shape = shape_for(config, ())
    if not isinstance(shape, Shape):
        raise TypeError(f"queue {config.queue} does not match its own defaults: {shape}")
    return shape


def target(config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Number of instances of the shape that the warm pool keeps; a paused queue keeps none."""
    return config.hot.value(now) if not config.paused and shape == standard_shape(config) else 0


def stopped_target(config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Number of instances of the shape that the warm pool keeps stopped.

    On a paused queue too: a stopped instance costs its volume alone, and is not started.
    """
    return config.stopped.value(now) if shape == standard_shape(config) else 0


def is_startable(instance: Instance, now: datetime) -> bool:
    """Whether a start of the instance may succeed now: it is stopped, and EC2 may have a place."""
    after = instance.start_after
    return instance.state is InstanceState.STOPPED and (after is None or now >= after)


def too_old(instance: Instance, view: ProvisionView, config: QueueConfig, now: datetime) -> str:
    """Why another instance must replace a stopped one; empty when none must."""
    if instance.spec != view.spec:
        return OF_OLDER_SPEC
    is_old = now - instance.created > config.max_stopped
    return f"the stopped instance is older than {config.max_stopped}" if is_old else ""


def held_back(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Stopped and stopping instances of the shape that count as supply.

    Those that no start can take at present count for the pool alone. Up to `REPLACE_AT_ONCE` old
    ones are left out, so that their successors are launched before they retire.
    """
    mine = [i for i in view.stopped if i.shape == shape]
    startable = sum(is_startable(i, now) for i in mine)
    kept = stopped_target(config, shape, now)
    old = sum(bool(too_old(i, view, config, now)) for i in mine) if kept else 0
    return startable + min(len(mine) - startable, kept) - min(old, REPLACE_AT_ONCE)


def stopped_lack(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """How many instances of the shape are still to be stopped; old ones do not count as stopped."""
    mine = [i for i in view.stopped if i.shape == shape]
    kept = sum(not too_old(i, view, config, now) for i in mine)
    return max(stopped_target(config, shape, now) - kept, 0)


def held_until(view: ProvisionView, shape: Shape, now: datetime) -> datetime | None:
    """When the warm pool of a shape may be filled again; None when it may be filled now."""
    again_at = fill_again_at(view.ledger, shape)
    return again_at if again_at is not None and now < again_at else None


def filled(
    view: ProvisionView, config: QueueConfig, shape: Shape, supplied: int, now: datetime
) -> int:
    """The targets, hot and stopped, or no more than there is while the pool must not be filled."""
    stopped = 0 if config.paused else stopped_target(config, shape, now)
    wanted = target(config, shape, now) + stopped
    if not wanted or held_until(view, shape, now) is None:
        return wanted
    return min(wanted, max(supplied, 0))


def unsteady(view: ProvisionView, config: QueueConfig, now: datetime) -> Why | None:
    """Why the warm pool is not filled at present although its instances are wanted."""
    if not (config.hot.value(now) or config.stopped.value(now)) or config.paused:
        return None
    shape = standard_shape(config)
    again_at = held_until(view, shape, now)
    if again_at is None:
        return None
    ends = view.ledger.idle_ends[str(shape)]
    often = f"{ends.rounds} times in a row warm instances ended soon without a job"
    text = f"the pool is not filled: {often}, the last one {ends.cause}"
    return why(Code.POOL_UNSTEADY, text, now, next_try=again_at, subject=str(shape))


def supply(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Number of instances of the shape, without up to `REPLACE_AT_ONCE` outdated ones of a pool.

    Outdated instances are left out so that their successors are launched before they retire.
    """
    mine = [i for i in view.instances if i.shape == shape]
    old = sum(bool(outdated(i, view, config, now)) for i in mine)
    keeps_pool = target(config, shape, now) > 0
    return len(mine) - (min(old, REPLACE_AT_ONCE) if keeps_pool else 0)


def outdated(instance: Instance, view: ProvisionView, config: QueueConfig, now: datetime) -> str:
    """Why another instance must replace an idle instance; empty when none must."""
    if instance.state.traits.supply is not Supply.READY:
        return ""
    if instance.spec != view.spec:
        return OF_OLDER_SPEC
    return (
        f"the instance was idle for {config.max_idle}"
        if now - instance.since > config.max_idle
        else ""
    )
