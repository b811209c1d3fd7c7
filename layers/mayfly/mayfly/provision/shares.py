"""How many instances of each shape a queue may launch now, within limits that all shapes share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from mayfly.config.boots import brake_for
from mayfly.config.queue import QueueConfig
from mayfly.provision.missing import jobs_in_turn, missing_instances
from mayfly.provision.view import ProvisionView
from mayfly.records.brakes import is_on
from mayfly.records.ledger import RECENT, Brake, Ledger
from mayfly.records.model import Shape
from mayfly.records.states import Supply

LAUNCH_AT_ONCE = 40
"""Slots of one launch: launch, slots and ledger row must fit into one transaction of 100 rows."""

LIMITED = timedelta(minutes=1)
"""The time over which `limits/max-launches-per-minute` counts."""


def recent_launches(ledger: Ledger, now: datetime) -> tuple[tuple[datetime, int], ...]:
    """Launches that `limits/max-launches-per-minute` counts: time and number of slots."""
    return tuple((at, slots) for at, slots in ledger.recent if now - at < LIMITED)


def kept_launches(ledger: Ledger, now: datetime) -> tuple[tuple[datetime, int], ...]:
    """Launches that a ledger goes on to name: time and number of slots."""
    return tuple((at, slots) for at, slots in ledger.recent if now - at < RECENT)


def room(ledger: Ledger, config: QueueConfig, now: datetime) -> int:
    """How many instances the queue's limits allow to launch now; 0 where none."""
    pace = config.max_launches_per_minute - sum(n for _, n in recent_launches(ledger, now))
    return max(0, min(config.max_instances - ledger.live, pace))


def shares(view: ProvisionView, config: QueueConfig, now: datetime) -> dict[Shape, int]:
    """Instances to launch by shape, the most urgent job's first; shapes that must wait omitted.

    Where the limits leave fewer places than are wanted, jobs get them in turn, as
    `records.turns` says, and the warm pool what is left. A shape that must wait takes none.
    """
    lacking = {
        shape: missing
        for shape, missing in missing_instances(view, config, now).items()
        if missing > 0 and may_launch(view, config, shape, now)
    }
    places = room(view.ledger, config, now)
    if sum(lacking.values()) > places:
        lacking = _shared_out(view, config, lacking, places, now)
    return {
        shape: min(count, most_at_once(view, config, shape)) for shape, count in lacking.items()
    }


def _shared_out(
    view: ProvisionView,
    config: QueueConfig,
    lacking: Mapping[Shape, int],
    places: int,
    now: datetime,
) -> dict[Shape, int]:
    """The places by shape, one after the other to the jobs for which instances are missing.

    Of a shape's jobs the first ones have what is ready or coming: the last ones lack instances.
    """
    jobs = [claim.shape for claim in jobs_in_turn(view, config, now)]
    covered = {shape: max(jobs.count(shape) - lacking[shape], 0) for shape in lacking}
    given = dict.fromkeys(lacking, 0)
    for shape in jobs:
        if covered.get(shape, 0):
            covered[shape] -= 1
        elif shape in lacking and places and given[shape] < lacking[shape]:
            given[shape] += 1
            places -= 1
    for shape, missing in lacking.items():
        more = min(missing - given[shape], places)
        given[shape] += more
        places -= more
    return {shape: count for shape, count in given.items() if count}


def most_at_once(view: ProvisionView, config: QueueConfig, shape: Shape) -> int:
    """The most instances of one launch: one while boots of the shape fail."""
    return 1 if is_on(brake_for(view.ledger, view.spec, config, shape)) else LAUNCH_AT_ONCE


def may_launch(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> bool:
    """Whether no wait after a refusal and no brake holds a shape up; a trial that is due may go."""
    retry_at = view.ledger.retry_at.get(str(shape))
    if retry_at is not None and now < retry_at:
        return False
    brake = brake_for(view.ledger, view.spec, config, shape)
    return not is_on(brake) or _may_try(view, brake, shape, now)


def _may_try(view: ProvisionView, brake: Brake | None, shape: Shape, now: datetime) -> bool:
    """Whether a trial is due. What is still coming is a trial, whenever it was launched."""
    is_due = brake is not None and brake.next_trial is not None and now >= brake.next_trial
    coming = (i for i in view.instances if i.state.traits.supply is Supply.COMING)
    return is_due and not any(i.shape == shape and i.spec == view.spec for i in coming)
