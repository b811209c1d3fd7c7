"""Decides which stopped instances are beyond need or limit, or too old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import serves, unserved
from mayfly.config.stalled import stalled_shapes
from mayfly.provision.actions import condemn
from mayfly.provision.missing import jobs_in_turn
from mayfly.provision.pool import REPLACE_AT_ONCE, is_startable, stopped_target, too_old
from mayfly.provision.retire import OVERDUE, YIELDED, beyond_reason
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Instance, Shape
from mayfly.records.states import InstanceState
from mayfly.tick.actions import WriteRecords

UNNEEDED = "pool/stopped does not need the instance"


def retire_stopped(
    view: ProvisionView, config: QueueConfig, now: datetime
) -> Iterator[WriteRecords]:
    """Condemn stopped instances: beyond the limit first, then beyond need, then the old ones.

    Of the old ones at most `REPLACE_AT_ONCE` go before their successors are stopped. Instances
    that waiting jobs can use are not beyond need.
    """
    over = beyond_limit(view, config)
    for shape in dict.fromkeys(i.shape for i in view.stopped):
        mine = [i for i in view.stopped if i.shape == shape]
        spare = len(mine) - _kept(view, config, shape, now)
        idle = [i for i in mine if i.state is InstanceState.STOPPED]
        idle.sort(key=lambda i: (not too_old(i, view, config, now), i.created, i.key))
        for instance in idle:
            reason = beyond_reason(config) if over > 0 else _why(instance, view, config, spare, now)
            if reason:
                spare, over = spare - 1, over - 1
                yield condemn(instance, reason, now)


def beyond_limit(view: ProvisionView, config: QueueConfig) -> int:
    """How many stopped instances are beyond `limits/max-instances`, which was lowered.

    0 where `busy` was not read. Instances that are ending make room by themselves.
    """
    if view.ledger.live <= config.max_instances:
        return 0
    return len(view.instances) + len(view.stopped) + view.busy - config.max_instances


def _without_instance(view: ProvisionView, config: QueueConfig, now: datetime) -> int:
    """Jobs that no instance of the queue can serve, ready, coming or startable.

    Jobs of stalled shapes are omitted: no launch would serve them.
    """
    waiting = Counter(claim.shape for claim in jobs_in_turn(view, config, now))
    for stalled in stalled_shapes(waiting, view.ledger, view.spec, config, now):
        del waiting[stalled]
    startable = [i for i in view.stopped if is_startable(i, now)]
    supplied = Counter(instance.shape for instance in (*view.instances, *startable))
    return unserved(waiting, supplied).total()


def _kept(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Stopped instances that pool and jobs keep; fewer where jobs of a full queue need places."""
    kept = stopped_target(config, shape, now)
    served = sum(serves(shape, claim.shape) for claim in view.waiting)
    needed = max(served - sum(i.shape == shape for i in view.instances), 0)
    if view.ledger.live < config.max_instances:
        return kept + needed
    return max(kept - _without_instance(view, config, now), 0)


def _why(
    instance: Instance,
    view: ProvisionView,
    config: QueueConfig,
    spare: int,
    now: datetime,
) -> str:
    """Why to retire a stopped instance; empty when it shall stay."""
    why = too_old(instance, view, config, now)
    is_full = view.ledger.live >= config.max_instances
    if why and is_full:
        spare += REPLACE_AT_ONCE  # The successor finds no room until the instance is gone.
    if spare > 0:
        return why or (YIELDED if is_full and view.waiting else UNNEEDED)
    return why if now - instance.created > config.max_stopped + OVERDUE else ""
