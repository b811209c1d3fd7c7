"""Settles a launch by EC2's answer: the launch record, its slots and the queue's ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.answers import Bought, Launched
from mayfly.provision.request import pools_of
from mayfly.records.bounds import LONGEST_CAUSE, LONGEST_REASON, MOST_POOLS, cut, highest
from mayfly.records.changes import Change, FreeSlots, Save
from mayfly.records.ledger import Ledger
from mayfly.records.losses import SPOT_DRY
from mayfly.records.model import Instance, Launch, move_instance, settle_launch
from mayfly.records.refusals import OLD_REFUSAL, misses_of
from mayfly.records.states import REPEAT_LAUNCH, InstanceState
from mayfly.tick.purchase import NOTHING_KNOWN, Known, purchased

SPOT_TRIES = 3
"""Requests for spot, each for the pools that are left, before an instance is bought on demand."""
_BACKOFF = (5, 10, 20, 40, 60)
"""Seconds until the next launch of a shape after EC2 launched none, by misses in a row."""


def settlement_changes(
    launch: Launch,
    slots: Sequence[Instance],
    answer: Launched,
    now: datetime,
    known: Known = NOTHING_KNOWN,
) -> tuple[Change, ...]:
    """Changes for one transaction that settle a launch.

    EC2's ids go to the slots in sorted order; slots without an id are terminated and freed.
    """
    ids = sorted(answer.instance_ids)
    rest = "; ".join(answer.errors[:3]) or "EC2 did not say why"
    reason = f"EC2 launched {len(ids)} of {launch.slots}"
    errors = tuple(cut(error, LONGEST_REASON) for error in answer.errors[:10])
    settled = replace(settle_launch(launch, now, reason), errors=errors)
    changes: list[Change] = [Save(settled)]
    empty = 0
    for number, slot in enumerate(sorted(slots, key=lambda slot: slot.key)):
        if number < len(ids):
            moved = move_instance(slot, InstanceState.LAUNCHING, now, "EC2 launched the instance")
            named = replace(moved, instance_id=ids[number], market=launch.market)
            bought = answer.bought.get(ids[number], Bought())
            changes.append(Save(purchased(named, bought, known)))
        else:
            empty += 1
            reason = f"not launched: {rest}"
            changes.append(Save(move_instance(slot, InstanceState.TERMINATED, now, reason)))
    if empty:
        changes.append(FreeSlots(launch.queue, empty))
    return tuple(changes)


def overdue(launch: Launch, now: datetime) -> bool:
    """Whether a launch is too old to be sent again: EC2 may have forgotten its token."""
    return now - launch.created > REPEAT_LAUNCH


def ledger_after(ledger: Ledger, launch: Launch, answer: Launched, now: datetime) -> Ledger:
    """The queue's ledger after EC2's answer.

    After no instance, the shape waits before its next launch, ever longer while refusals follow on
    each other. After too few by spot, requests leave the pools that EC2 named out for `SPOT_DRY`;
    where no pool is left, or EC2 named none, the shape buys on demand for that time, if it may. A
    job so waits for at most `SPOT_TRIES` requests for spot. Slots that EC2 did not fill do not
    count as launches of the minute: hopeless jobs take no launch from others.
    """
    shape, got = str(launch.shape), len(answer.instance_ids)
    misses, retry_at, dry, refusals = (
        {each: n for each in ledger.misses if (n := misses_of(ledger, each, now))},
        dict(ledger.retry_at),
        dict(ledger.spot_dry_until),
        dict(ledger.refusals),
    )
    pools = dict(ledger.dry_pools)
    has_others = False
    if got < launch.slots and launch.market == "spot":
        pools |= dict.fromkeys(answer.dry, now + SPOT_DRY)
        has_others = _has_others(launch, answer.dry) and misses.get(shape, 0) + 1 < SPOT_TRIES
        if not has_others:
            dry[shape] = now + SPOT_DRY
    if got:
        misses.pop(shape, None)
        retry_at.pop(shape, None)
        refusals.pop(shape, None)
    else:
        refusals[shape] = cut("; ".join(answer.errors), LONGEST_CAUSE) or "EC2 did not say why"
        misses[shape] = misses.get(shape, 0) + 1
        wait = _BACKOFF[min(misses[shape], len(_BACKOFF)) - 1]
        # After spot, try other pools or on demand at once; wait only when these have nothing.
        is_last = launch.market != "spot" or "spot-then" not in launch.shape.purchase
        waits = is_last and not has_others
        retry_at[shape] = now + timedelta(seconds=wait if waits else 0)
    return replace(
        ledger,
        misses=(kept := highest(misses, lambda each: (each == shape, misses[each]))),
        refusals={shape: text for shape, text in refusals.items() if shape in kept},
        retry_at=highest(_after(now - OLD_REFUSAL, retry_at), retry_at.__getitem__),
        spot_dry_until=highest(_after(now, dry), dry.__getitem__),
        dry_pools=highest(_after(now, pools), pools.__getitem__, MOST_POOLS),
        recent=tuple(
            (at, got if (at, slots) == (launch.created, launch.slots) else slots)
            for at, slots in ledger.recent
        ),
    )


def _has_others(launch: Launch, dry: Collection[str]) -> bool:
    """Whether EC2 named dry pools, and the request had other pools."""
    return bool(dry) and not pools_of(launch.request) <= set(dry)


def _after(start: datetime, times: Mapping[str, datetime]) -> dict[str, datetime]:
    return {shape: at for shape, at in times.items() if at > start}


def recovered_answer(launch: Launch, seen: Iterable[str]) -> Launched:
    """EC2's lost answer, from the ids of the instances that EC2 shows with the launch's tag."""
    ids = tuple(sorted(seen))[: launch.slots]
    return Launched(ids, ("the answer to CreateFleet was lost",) if len(ids) < launch.slots else ())
