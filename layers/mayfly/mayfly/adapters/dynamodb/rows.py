"""Groups the changes of one write by row: a DynamoDB transaction allows one operation per row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mayfly.adapters.dynamodb.records import LEASE_KEY, key, key_of, pointer_key
from mayfly.records.changes import (
    Assign,
    Change,
    Drop,
    FreeSlots,
    NoteBoot,
    Save,
    Unassign,
)
from mayfly.records.ledger import Boot, Ledger
from mayfly.records.model import Instance, SlotKey

MAX_ROWS = 100
"""DynamoDB's limit for one transaction."""


@dataclass(frozen=True, slots=True)
class Row:
    """All changes of one write to one row."""

    key: str
    """Primary key in the Fleet table; in the Mailbox table for Assign and Unassign."""
    change: Save | Drop | Assign | Unassign | None = None
    freed: int = 0
    """Number of slots to free in this ledger row."""
    boots: tuple[Boot, ...] = ()
    """Notes to append to this ledger row."""
    fence: int | None = None
    """The fence that this lease row must have."""
    slot: SlotKey | None = None
    """The slot for this pointer row; an existing row must name the same slot."""


def rows(changes: Sequence[Change], fence: int | None) -> tuple[Row, ...]:
    """The rows that a write touches.

    Raises ValueError for two changes of one row and for more than MAX_ROWS rows.
    """
    found: dict[str, Row] = {}
    for row in (*_pointers(changes), *map(_row, changes)):
        found[row.key] = _merged(found[row.key], row) if row.key in found else row
    if fence is not None:
        lease = found.get(LEASE_KEY, Row(LEASE_KEY))
        found[LEASE_KEY] = replace(lease, fence=fence)
    if len(found) > MAX_ROWS:
        raise ValueError(f"{len(found)} rows in one write, at most {MAX_ROWS} are possible")
    return tuple(found.values())


def _row(change: Change) -> Row:
    match change:
        case Save(record) | Drop(record):
            return Row(key(record), change)
        case Assign(row) | Unassign(row):
            return Row(row, change)
        case FreeSlots(queue, count):
            return Row(key_of(Ledger, queue), freed=count)
        case NoteBoot(queue, boot):
            return Row(key_of(Ledger, queue), boots=(boot,))


def _merged(first: Row, second: Row) -> Row:
    if (first.change and second.change) or first.slot or second.slot:
        raise ValueError(f"two changes of {first.key} in one write")
    change, boots = first.change or second.change, first.boots + second.boots
    if change and boots:
        # An update cannot append to a list from which it removes.
        raise ValueError(f"{first.key} is saved and gets a note in one write")
    return Row(first.key, change, first.freed + second.freed, boots)


def _pointers(changes: Iterable[Change]) -> Iterable[Row]:
    """A pointer row for each instance that is saved with a new EC2 id, so the id finds the slot."""
    for change in changes:
        match change:
            case Save(Instance(state=state, instance_id=str(name), key=slot)) if (
                state.traits.notes_instance_id
            ):
                yield Row(pointer_key(name), slot=slot)
