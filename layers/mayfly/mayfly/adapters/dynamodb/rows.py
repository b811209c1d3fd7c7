"""What one write does to each row: DynamoDB takes one operation a row in a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mayfly.adapters.dynamodb.records import LEASE_KEY, key, key_of, pointer_key
from mayfly.records.changes import Assign, Change, Drop, FreeSlots, Save, Unassign
from mayfly.records.model import Instance, Ledger, SlotKey

MAX_ROWS = 100
"""DynamoDB's limit for one transaction."""


@dataclass(frozen=True, slots=True)
class Row:
    """All that happens to one row, at once."""

    key: str
    """Primary key in the Fleet table; in the Mailbox table for Assign and Unassign."""
    change: Save | Drop | Assign | Unassign | None = None
    freed: int = 0
    """Slots to be freed in this ledger row."""
    fence: int | None = None
    """The fence that this lease row must have."""
    slot: SlotKey | None = None
    """The slot that this pointer row must name, and names from now on."""


def rows(changes: Sequence[Change], fence: int | None) -> tuple[Row, ...]:
    """The rows that a write touches. Raises ValueError for what one transaction cannot do."""
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


def _merged(first: Row, second: Row) -> Row:
    if (first.change and second.change) or first.slot or second.slot:
        raise ValueError(f"two changes of {first.key} in one write")
    return Row(first.key, first.change or second.change, first.freed + second.freed)


def _pointers(changes: Iterable[Change]) -> Iterable[Row]:
    """An EC2 id finds its slot from the moment when the instance has one."""
    for change in changes:
        match change:
            case Save(Instance(state=state, instance_id=str(name), key=slot)) if (
                state.traits.notes_instance_id
            ):
                yield Row(pointer_key(name), slot=slot)
