"""Changes to records. One write applies all of its changes or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from mayfly.records.ledger import Boot
from mayfly.records.model import Record


@dataclass(frozen=True, slots=True)
class Save:
    """Write a record over its own version; the stored record then has the next version."""

    record: Record


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a record, if the stored version is the record's own."""

    record: Record


@dataclass(frozen=True, slots=True)
class Assign:
    """Put an assignment into an existing sandbox mailbox row without one.

    Only for an instance whose record is proven: the row's report is not looked at again.
    """

    row: str
    assignment: Mapping[str, object] = field(repr=False)
    """Holds the job's token."""
    expires: datetime


@dataclass(frozen=True, slots=True)
class Unassign:
    """Remove the assignment from a mailbox row; a row without one is no error."""

    row: str


@dataclass(frozen=True, slots=True)
class FreeSlots:
    """Lower a queue's count of live slots, at any version; a concurrent save keeps the change."""

    queue: str
    count: int


@dataclass(frozen=True, slots=True)
class NoteBoot:
    """Append a note to a queue's ledger, without a version. Saves of the row keep it."""

    queue: str
    boot: Boot


Change: TypeAlias = Save | Drop | Assign | Unassign | FreeSlots | NoteBoot
