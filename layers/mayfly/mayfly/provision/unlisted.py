"""Instances that the index does not show yet, by the ids of recent launches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.ports import Fleet
from mayfly.records.ledger import Ledger, launch_id
from mayfly.records.model import Instance, SlotKey
from mayfly.records.states import Supply, instance_states

SUPPLY = instance_states(lambda instance: instance.supply is not Supply.NONE)
STOPPED = instance_states(lambda instance: instance.supply is Supply.STOPPED)


def unlisted_slots(
    fleet: Fleet, recent: Iterable[SlotKey], listed: Iterable[Instance]
) -> Iterator[Instance]:
    """Supply out of these slots that is not among the listed instances."""
    missing = set(recent) - {instance.key for instance in listed}
    for slot in fleet.slots(missing) if missing else ():
        if slot.state in SUPPLY:
            yield slot


def recent_slots(stack: str, ledger: Ledger, now: datetime, within: timedelta) -> Iterator[SlotKey]:
    """The slots of all launches within this time until now, which is at most `RECENT`."""
    for back, (at, slots) in enumerate(reversed(ledger.recent), start=1):
        if now - at < within:
            name = launch_id(stack, replace(ledger, next_launch=ledger.next_launch - back))
            yield from (SlotKey(name, number) for number in range(slots))
