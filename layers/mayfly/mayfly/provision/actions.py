"""What `provision` may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mayfly.records.model import Capacity, Instance, Launch
from mayfly.tick.actions import WriteRecords


@dataclass(frozen=True, slots=True)
class RecordLaunch:
    """Record a launch with its slots, then send it."""

    launch: Launch
    slots: tuple[Instance, ...]
    capacity: Capacity
    reason: str


@dataclass(frozen=True, slots=True)
class SendLaunch:
    """Send a recorded launch, again if need be, and settle it by EC2's answer."""

    launch: Launch
    slots: tuple[Instance, ...]
    reason: str


ProvisionAction: TypeAlias = WriteRecords | RecordLaunch | SendLaunch
