"""Decides which ready instances to stop for the stopped pool, and which stopped ones to start.

The order of supply for a job is: ready, stopped, coming, launch. A start takes seconds, and a
launch under way may still have its set-up before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.answers import only_profile
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import serves, unserved
from mayfly.provision.actions import StartInstance, StopInstance, condemn
from mayfly.provision.missing import jobs_in_turn
from mayfly.provision.pool import (
    held_until,
    is_startable,
    outdated,
    standard_shape,
    stopped_lack,
    supply,
    target,
    too_old,
)
from mayfly.provision.refused import PAUSE
from mayfly.provision.retire import spare_idle
from mayfly.provision.view import ProvisionView
from mayfly.records.changes import Save
from mayfly.records.model import Instance, Shape, move_instance, saved
from mayfly.records.states import InstanceState, Supply
from mayfly.tick.actions import WriteRecords

AT_ONCE = 16
"""Instances of a queue that a tick stops or starts: one call of EC2 for all of them."""
REPEAT = timedelta(seconds=5)
"""Age of a recorded stop or start from which on EC2's other state means that the call was lost."""
GIVE_UP = timedelta(seconds=30)
"""Age of a recorded start from which on an instance that EC2 still shows stopped is left for a
while: calls are throttled or lost, and a launch serves the job that waits."""

SwitchAction = StopInstance | StartInstance | WriteRecords


def switch(
    view: ProvisionView, config: QueueConfig, now: datetime
) -> tuple[list[SwitchAction], ProvisionView]:
    """The actions, and the view in which they are done."""
    actions: list[SwitchAction] = [*_lost_calls(view, now)]
    gone: set[str | None] = set()
    begun: dict[str | None, Instance] = {}
    for instance in to_start(view, config, now):
        foreign = _foreign_profile(instance, view)
        if foreign is None:
            continue
        if foreign:
            gone.add(instance.instance_id)
            actions.append(condemn(instance, foreign, now))
        else:
            started, action = _start(instance, now)
            begun[instance.instance_id] = started
            actions.append(action)
    stopping = list(_stops(view, config, now)) if not begun else []
    actions.extend(action for _, action in stopping)
    ids = {instance.instance_id for instance, _ in stopping}
    after = replace(
        view,
        instances=(*(i for i in view.instances if i.instance_id not in ids), *begun.values()),
        stopped=(
            *(i for i in view.stopped if i.instance_id not in {*gone, *begun}),
            *(instance for instance, _ in stopping),
        ),
    )
    return actions, after


def to_start(view: ProvisionView, config: QueueConfig, now: datetime) -> list[Instance]:
    """Stopped instances that jobs or the hot pool need, of the present configuration first.

    None while starts or idle instances fail in a row: then jobs get launches.
    """
    free = [i for i in view.stopped if is_startable(i, now)]
    if not free or view.refused or held_until(view, standard_shape(config), now) is not None:
        return []
    free.sort(key=lambda i: (bool(too_old(i, view, config, now)), i.created, i.key))
    found = _for_jobs(view, config, free, now)
    taken = {i.key for i in found}
    lack = _hot_lack(view, config, len(found), now)
    rest = [i for i in free if i.key not in taken and i.shape == standard_shape(config)]
    return [*found, *rest[:lack]][:AT_ONCE]


def lost_calls(view: ProvisionView, now: datetime) -> list[Instance]:
    """Instances that have been stopping or starting for so long that EC2's state is to be read."""
    switching = (*view.instances, *view.stopped)
    states = {InstanceState.STOPPING, InstanceState.STARTING}
    return [i for i in switching if i.state in states and now - i.since >= REPEAT]


def _for_jobs(
    view: ProvisionView, config: QueueConfig, free: list[Instance], now: datetime
) -> list[Instance]:
    """The instances that waiting jobs need, beyond what is ready or was started before."""
    awake = Counter(i.shape for i in view.instances if _is_awake(i))
    waiting = Counter(claim.shape for claim in jobs_in_turn(view, config, now))
    found: list[Instance] = []
    left = list(free)
    for wanted, needed in unserved(waiting, awake).items():
        chosen = [i for i in left if serves(i.shape, wanted)][:needed]
        found.extend(chosen)
        keys = {i.key for i in chosen}
        left = [i for i in left if i.key not in keys]
    return found


def _is_awake(instance: Instance) -> bool:
    """Whether the instance is ready, or is on its way there by a start."""
    is_ready = instance.state.traits.supply is Supply.READY
    return is_ready or instance.state is InstanceState.STARTING


def _hot_lack(view: ProvisionView, config: QueueConfig, begun: int, now: datetime) -> int:
    """How many starts the hot pool needs, where `begun` others are to begin for jobs."""
    shape: Shape = standard_shape(config)
    demand = sum(claim.shape == shape for claim in jobs_in_turn(view, config, now))
    supplied = supply(view, config, shape, now) + begun
    return max(target(config, shape, now) + demand - supplied, 0)


def _start(instance: Instance, now: datetime) -> tuple[Instance, StartInstance]:
    reason = "a job or pool/hot needs the instance"
    moved = move_instance(instance, InstanceState.STARTING, now, reason)
    moved = replace(moved, starts=instance.starts + 1, start_after=None)
    return saved(moved), StartInstance(saved(moved), reason, (Save(moved),))


def _stops(
    view: ProvisionView, config: QueueConfig, now: datetime
) -> Iterator[tuple[Instance, StopInstance]]:
    """Ready instances that neither a job nor the hot pool needs, for the stopped pool."""
    shape = standard_shape(config)
    lack = stopped_lack(view, config, shape, now)
    if not lack or config.paused or held_until(view, shape, now) is not None:
        return
    idle = [
        i
        for i in view.instances
        if i.shape == shape
        and i.state.traits.supply is Supply.READY
        and not outdated(i, view, config, now)
        and not too_old(i, view, config, now)
    ]
    idle.sort(key=lambda i: (i.created, i.key), reverse=True)
    count = min(lack, spare_idle(view, config, shape, now), AT_ONCE)
    for instance in idle[: max(count, 0)]:
        reason = "neither a job nor pool/hot needs the instance, and pool/stopped does"
        moved = move_instance(instance, InstanceState.STOPPING, now, reason)
        yield saved(moved), StopInstance(saved(moved), reason, (Save(moved),))


def _lost_calls(view: ProvisionView, now: datetime) -> Iterator[SwitchAction]:
    """Stops and starts that are recorded and that EC2 does not carry out, once more."""
    for instance in lost_calls(view, now):
        shown = view.power.get(instance.instance_id or "")
        if instance.state is InstanceState.STOPPING and shown == "running":
            yield StopInstance(instance, "EC2 still shows the instance running")
        if instance.state is InstanceState.STARTING and shown == "stopped":
            foreign = _foreign_profile(instance, view)
            if foreign:
                yield condemn(instance, foreign, now)
            elif now - instance.since >= GIVE_UP:
                yield _left_stopped(instance, now)
            elif foreign is not None:
                yield StartInstance(instance, "EC2 still shows the instance stopped")


def _left_stopped(instance: Instance, now: datetime) -> WriteRecords:
    """A start given up. A call that EC2 takes after all starts an instance that `reap` ends."""
    seconds = round(GIVE_UP.total_seconds())
    reason = f"EC2 has not started the instance for {seconds} seconds, however often asked"
    left = move_instance(instance, InstanceState.STOPPED, now, reason)
    return WriteRecords((Save(replace(left, start_after=now + PAUSE)),), reason)


def _foreign_profile(instance: Instance, view: ProvisionView) -> str | None:
    """Why a stopped instance may not be started; empty when it may, None while that is unknown."""
    shown = view.profiles.get(instance.instance_id or "")
    if shown is None:
        return None
    if only_profile(shown) == instance.pinned.sandbox_profile:
        return ""
    names = ", ".join(each.profile for each in shown) or "no profile"
    return f"the instance is stopped, and EC2 shows {names} in place of its sandbox profile alone"
