"""The warm pool of a queue: its shape and target, and the instances that it must replace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import shape_for
from mayfly.provision.view import ProvisionView
from mayfly.records.idle_ends import fill_again_at
from mayfly.records.model import Instance, Shape
from mayfly.records.states import Supply

REPLACE_AT_ONCE = 2
"""Outdated instances that may have a successor under way at the same time."""


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


def filled(
    view: ProvisionView, config: QueueConfig, shape: Shape, supplied: int, now: datetime
) -> int:
    """The target, or no more than there is while the pool must not be filled again."""
    wanted = target(config, shape, now)
    again_at = fill_again_at(view.ledger, shape) if wanted else None
    return wanted if again_at is None or now >= again_at else min(wanted, max(supplied, 0))


def unsteady(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[str]:
    """Why the warm pool is not filled at present, for an alarm."""
    if not config.hot.value(now) or config.paused:
        return
    shape = standard_shape(config)
    again_at = fill_again_at(view.ledger, shape)
    if again_at is not None and now < again_at:
        ends = view.ledger.idle_ends[str(shape)]
        often = f"{ends.rounds} times in a row hot instances ended soon without a job"
        then = f"the pool is filled again at {again_at:%H:%M:%S} UTC"
        yield f"{shape}: {often}, the last one {ends.cause}; {then}"


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
        return "the instance was made by an older configuration"
    return (
        f"the instance was idle for {config.max_idle}"
        if now - instance.since > config.max_idle
        else ""
    )
