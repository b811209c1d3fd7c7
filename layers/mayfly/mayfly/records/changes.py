"""What one write does to the records: changes that are made together, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mayfly.records.model import Record


@dataclass(frozen=True, slots=True)
class Save:
    """Write a record over the version it carries; the stored one then has the next version."""

    record: Record


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a record at the version it carries."""

    record: Record


@dataclass(frozen=True, slots=True)
class Assign:
    """Put an assignment into a sandbox mailbox row that has none."""

    row: str
    assignment: Mapping[str, object]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Unassign:
    """Take the assignment out of a mailbox row; no harm where there is none."""

    row: str


@dataclass(frozen=True, slots=True)
class FreeSlots:
    """Lower a queue's count of live slots. Needs no version, and a save of the row keeps it."""

    queue: str
    count: int


Change: TypeAlias = Save | Drop | Assign | Unassign | FreeSlots
