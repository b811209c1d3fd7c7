"""Decides which instances are beyond need or limit: idle, or still launching or booting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import matching, serves, unserved
from mayfly.config.stalled import stalled_shapes
from mayfly.provision.pool import REPLACE_AT_ONCE, outdated, stopped_lack, supply, target
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Claim, Instance, Shape, SlotKey, move_instance
from mayfly.records.states import InstanceState, Supply
from mayfly.tick.actions import WriteRecords, condemnation

OVERDUE = timedelta(hours=1)
"""How long beyond `pool/max-idle-hours` an idle instance may wait for its successor."""
SETTLED = timedelta(seconds=15)
"""Age before which no launch counts as beyond need: the index may not show its jobs yet."""
UNNEEDED = "neither a job nor pool/hot needs the instance"
YIELDED = "the queue is full, and a job that the instance cannot serve needs its place"


def retire(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[WriteRecords]:
    """Condemn instances that are outdated, beyond need, or beyond a limit that was lowered.

    Instances that waiting jobs can use are not beyond need.
    """
    retired: list[Instance] = []
    for shape in dict.fromkeys(i.shape for i in view.instances):
        retired.extend(_retire_coming(view, config, shape, now))
        retired.extend(_retire_idle(view, config, shape, now))
    retired.extend(_retire_beyond_limit(view, config, {i.key for i in retired}, now))
    for condemned in retired:
        yield condemnation(condemned, condemned.reason)


def next_retirement(view: ProvisionView, config: QueueConfig, now: datetime) -> datetime | None:
    """When the next instance beyond need is old enough to be retired; None without one."""
    times: list[datetime] = []
    for shape in dict.fromkeys(i.shape for i in view.instances):
        mine = [i for i in view.instances if i.shape == shape]
        if _spare(view, config, shape, now) > 0:
            times.extend(i.created + SETTLED for i in mine if _is_coming(i))
        if spare_idle(view, config, shape, now) > 0:
            idle = [i for i in mine if i.state.traits.supply is Supply.READY]
            times.extend(i.since + config.grace for i in idle)
    return min((at for at in times if at > now), default=None)


def wants_arrivals(view: ProvisionView, config: QueueConfig, now: datetime) -> bool:
    """Whether a coming instance may be beyond need, so that jobs which came lately are to be read.

    Each shape counts by itself: waiting jobs need only instances that serve them.
    """
    shapes = {i.shape for i in view.instances if _may_retire_coming(i, now)}
    view = replace(view, waiting=matching(view.waiting, config))
    return any(_spare(view, config, shape, now) > 0 for shape in shapes)


def is_beyond_limit(view: ProvisionView, config: QueueConfig) -> bool:
    """Whether coming or stopped instances may be beyond `limits/max-instances`: read the jobs.

    That is so after the limit was lowered alone: no launch exceeds it.
    """
    is_over = view.ledger.live > config.max_instances
    return is_over and (bool(view.stopped) or any(_is_coming(i) for i in view.instances))


def _retire_beyond_limit(
    view: ProvisionView, config: QueueConfig, gone: Collection[SlotKey], now: datetime
) -> Iterator[Instance]:
    """Condemn coming instances beyond the limit, the youngest first, whoever waits for them.

    The ledger also counts instances that are ending; these make room by themselves. Requested
    slots are the youngest: EC2 has not said yet whether there will be instances.
    """
    if not is_beyond_limit(view, config):
        return
    rest = [i for i in view.instances if i.key not in gone]
    coming = [i for i in rest if _is_coming(i)]
    requested = sum(i.state.traits.awaits_launch for i in rest)
    over = len(rest) + view.busy - config.max_instances - requested
    coming.sort(key=lambda i: (i.created, i.key), reverse=True)
    reason = beyond_reason(config)
    for instance in coming[: max(over, 0)]:
        yield _condemned(replace(instance, retired=True), reason, now)


def beyond_reason(config: QueueConfig) -> str:
    """Why an instance is condemned after `limits/max-instances` was lowered."""
    return f"limits/max-instances is {config.max_instances} now, and the instance is beyond it"


def _may_retire_coming(instance: Instance, now: datetime) -> bool:
    """Whether an instance is on its way to ready, and can be given up."""
    return _is_coming(instance) and now - instance.created >= SETTLED


def _is_coming(instance: Instance) -> bool:
    # A started one is ready within seconds, and can be stopped again.
    traits, started = instance.state.traits, instance.proven
    return (
        not started and traits.supply is Supply.COMING and InstanceState.CONDEMNED in traits.edges
    )


def is_crowded(view: ProvisionView, config: QueueConfig, shape: Shape) -> bool:
    """Whether instances of a shape take the places of jobs that need another shape."""
    is_full = view.ledger.live >= config.max_instances
    return is_full and any(not serves(shape, claim.shape) for claim in view.waiting)


def _kept(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Instances of a shape that the pool keeps; fewer where jobs cannot begin without a place.

    In a full queue a job that needs another shape would wait until some other job has used an
    instance of the pool. Jobs of stalled shapes get no place: their instances would not come.
    """
    kept = target(config, shape, now)
    if not kept or view.ledger.live < config.max_instances:
        return kept
    waiting = Counter(claim.shape for claim in view.waiting if claim.reserved(now))
    for stalled in stalled_shapes(waiting, view.ledger, view.spec, config, now):
        del waiting[stalled]
    supplied = Counter(instance.shape for instance in view.instances)
    return max(kept - unserved(waiting, supplied).total(), 0)


def _retire_coming(
    view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime
) -> Iterator[Instance]:
    """Condemn instances that are launching or booting beyond need, the youngest first."""
    spare = _spare(view, config, shape, now)
    coming = [i for i in view.instances if i.shape == shape and _may_retire_coming(i, now)]
    coming.sort(key=lambda i: (i.created, i.key), reverse=True)
    for number, instance in enumerate(coming[: max(spare, 0)]):
        reason = _why_spare(view, config, shape, spare - number, now)
        yield _condemned(replace(instance, retired=True), reason, now)


def _why_spare(
    view: ProvisionView, config: QueueConfig, shape: Shape, spare: int, now: datetime
) -> str:
    """Why the next one of the spare instances goes: without need first, then those of the pool."""
    yielded = target(config, shape, now) - _kept(view, config, shape, now)
    return UNNEEDED if spare > yielded else YIELDED


def _spare(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Coming and ready instances of a shape beyond need; negative where some are missing.

    Jobs that came lately make it likely that more will come: as many instances are kept for them.
    """
    likely = 0 if is_crowded(view, config, shape) else _served(shape, view.arrived)
    needed = _served(shape, view.waiting) + _kept(view, config, shape, now) + likely
    to_stop = 0 if config.paused else stopped_lack(view, config, shape, now)
    return supply(view, config, shape, now) - needed - to_stop


def spare_idle(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> int:
    """Ready instances of a shape beyond what jobs and the hot pool need."""
    ready = (i for i in view.instances if i.state.traits.supply is Supply.READY)
    idle = sum(i.shape == shape for i in ready)
    return idle - _served(shape, view.waiting) - _kept(view, config, shape, now)


def _served(shape: Shape, claims: tuple[Claim, ...]) -> int:
    return sum(serves(shape, claim.shape) for claim in claims)


def _retire_idle(
    view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime
) -> Iterator[Instance]:
    ready = [i for i in view.instances if i.state.traits.supply is Supply.READY]
    idle = [i for i in ready if i.shape == shape]
    spare = spare_idle(view, config, shape, now)
    for instance in sorted(
        idle, key=lambda i: (not outdated(i, view, config, now), i.since, i.key)
    ):
        reason = _retirement(instance, view, config, spare, now)
        if reason:
            spare -= 1
            yield _condemned(instance, reason, now)


def _condemned(instance: Instance, reason: str, now: datetime) -> Instance:
    return move_instance(instance, InstanceState.CONDEMNED, now, reason)


def _retirement(
    instance: Instance, view: ProvisionView, config: QueueConfig, spare: int, now: datetime
) -> str:
    """Why to retire an idle instance; empty when it shall stay."""
    idle = now - instance.since
    why = outdated(instance, view, config, now)
    if why and view.ledger.live >= config.max_instances:
        # The successor finds no room until the instance is gone; the pool is short meanwhile.
        spare += REPLACE_AT_ONCE
    is_lowered = view.ledger.live > config.max_instances
    is_over = idle >= config.grace or is_lowered or is_crowded(view, config, instance.shape)
    if spare > 0 and (why or is_over):
        return why or _why_spare(view, config, instance.shape, spare, now)
    return why if idle > config.max_idle + OVERDUE else ""
