"""Idle instances that end soon after they were ready, without a job and not by Mayfly. Pure.

Instances whose commanded stop or start fails are noted in the same way.

Their boots were in order, so no brake holds their shape: the cause is elsewhere. A schedule of
the account stops instances at night, or a service of the image switches the host off. Without a
wait, a warm pool would be launched anew for as long as the cause lasts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.records.changes import NoteBoot
from mayfly.records.ledger import Boot, Ledger
from mayfly.records.losses import after_one_more, fresh
from mayfly.records.model import Instance, Shape
from mayfly.records.states import Supply

IDLE = "idle"
"""In place of a note's set-up: an idle end depends on none."""
SOON = timedelta(minutes=10)
"""Longest idle time of an instance whose end counts."""
WAITS = (0, 0, 1, 2, 4, 8, 16, 30)
"""Minutes until the warm pool is filled again, by rounds of idle ends in a row."""


def idle_end(before: Instance, after: Instance, cause: str) -> tuple[NoteBoot, ...]:
    """The note for the write of `after`, where this write ends a ready instance soon.

    An instance that ends while a stop or a start of it is under way gets a note too: the stopped
    pool may not work at all with its image.
    """
    lasted, began = after.since - before.since, before.since
    match before.state.traits.supply:
        case Supply.READY:
            ends, began = lasted < SOON, after.created
        case Supply.STOPPED:
            ends = lasted < SOON or before.state.traits.overstayed(lasted)
        case Supply.COMING:
            ends = before.proven
        case Supply.NONE:
            ends = False
    if not ends or after.state.traits.supply is not Supply.NONE:
        return ()
    note = Boot(str(after.shape), IDLE, began, after.since, cause)
    return (NoteBoot(after.queue, note),)


def with_idle_ends(ledger: Ledger, notes: Iterable[Boot], now: datetime) -> Ledger:
    """The ledger with the idle ends of these notes. Ends of one launch are one round."""
    ends = dict(ledger.idle_ends)
    for note in notes:
        if note.set_up == IDLE:
            ends[note.shape] = after_one_more(ends.get(note.shape), note)
    return replace(ledger, idle_ends=fresh(ends, now))


def fill_again_at(ledger: Ledger, shape: Shape) -> datetime | None:
    """When the warm pool of a shape may be filled again; None without idle ends."""
    ends = ledger.idle_ends.get(str(shape))
    if ends is None:
        return None
    return ends.at + timedelta(minutes=WAITS[min(ends.rounds, len(WAITS)) - 1])
