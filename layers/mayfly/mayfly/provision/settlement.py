"""What EC2's answer to a launch means for its record, its slots and the queue's ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.answers import Launched
from mayfly.records.changes import Change, FreeSlots, Save
from mayfly.records.model import Instance, Launch, Ledger, move_instance, settle_launch
from mayfly.records.states import REPEAT_LAUNCH, InstanceState

SPOT_DRY = timedelta(minutes=3)
"""How long `spot-then-on-demand` buys on demand after spot had too little."""
_BACKOFF = (5, 10, 20, 40, 60)
"""Seconds before the next launch of a shape for which EC2 had nothing, by misses in a row."""


def filled(
    launch: Launch, slots: Sequence[Instance], answer: Launched, now: datetime
) -> tuple[Change, ...]:
    """The changes that settle a launch: ids fill slots in sorted order, the rest stays empty."""
    ids = sorted(answer.instance_ids)
    rest = "; ".join(answer.errors[:3]) or "EC2 did not say why"
    reason = f"EC2 launched {len(ids)} of {launch.slots}"
    settled = replace(settle_launch(launch, now, reason), errors=answer.errors[:10])
    changes: list[Change] = [Save(settled)]
    empty = 0
    for number, slot in enumerate(sorted(slots, key=lambda slot: slot.key)):
        if number < len(ids):
            moved = move_instance(slot, InstanceState.LAUNCHING, now, "EC2 launched it")
            changes.append(Save(replace(moved, instance_id=ids[number])))
        else:
            empty += 1
            reason = f"not launched: {rest}"
            changes.append(Save(move_instance(slot, InstanceState.TERMINATED, now, reason)))
    if empty:
        changes.append(FreeSlots(launch.queue, empty))
    return tuple(changes)


def overdue(launch: Launch, now: datetime) -> bool:
    """Whether the time for repeating a launch is over: EC2 may have forgotten its token."""
    return now - launch.created > REPEAT_LAUNCH


def booked(ledger: Ledger, launch: Launch, got: int, now: datetime) -> Ledger:
    """The queue's ledger after an answer: back off from what EC2 does not have."""
    shape = str(launch.shape)
    misses, retry_at, dry = (
        dict(ledger.misses),
        dict(ledger.retry_at),
        dict(ledger.spot_dry_until),
    )
    if got < launch.slots and launch.market == "spot":
        dry[shape] = now + SPOT_DRY
    if got:
        misses.pop(shape, None)
        retry_at.pop(shape, None)
    else:
        misses[shape] = misses.get(shape, 0) + 1
        wait = _BACKOFF[min(misses[shape], len(_BACKOFF)) - 1]
        # The next market is tried at once: only when both are dry is there reason to wait.
        if launch.market != "spot" or "spot-then" not in launch.shape.purchase:
            retry_at[shape] = now + timedelta(seconds=wait)
    return replace(
        ledger,
        misses=misses,
        retry_at=_future(retry_at, now),
        spot_dry_until=_future(dry, now),
    )


def _future(times: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
    return {shape: at for shape, at in times.items() if at > now}


def adopted(launch: Launch, seen: Iterable[str]) -> Launched:
    """The answer that was lost for good, put together from what EC2 shows with the launch's tag."""
    ids = tuple(sorted(seen))[: launch.slots]
    return Launched(ids, ("the answer to CreateFleet was lost",) if len(ids) < launch.slots else ())
