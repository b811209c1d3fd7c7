"""What `provision` may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mayfly.records.about import Fields, about
from mayfly.records.changes import Change, Save
from mayfly.records.model import Instance, Launch, Ledger, saved
from mayfly.tick.actions import WriteRecords


@dataclass(frozen=True, slots=True)
class SendLaunch:
    """Send a recorded launch, again if need be, and settle it by EC2's answer."""

    launch: Launch
    slots: tuple[Instance, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.launch, *self.slots])


@dataclass(frozen=True, slots=True)
class AdoptLaunch:
    """Settle a launch whose answer was lost for good by what EC2 shows with its tag."""

    launch: Launch
    slots: tuple[Instance, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.launch, *self.slots])


@dataclass(frozen=True, slots=True)
class RecordLaunch:
    """Record a launch with its slots and the queue's ledger, then send it."""

    launch: Launch
    slots: tuple[Instance, ...]
    ledger: Ledger
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.launch])

    @property
    def changes(self) -> tuple[Change, ...]:
        """The records, in one write: without all of them nothing is sent."""
        return Save(self.ledger), Save(self.launch), *map(Save, self.slots)

    @property
    def sent(self) -> SendLaunch:
        """What follows once they are written."""
        return SendLaunch(saved(self.launch), tuple(saved(s) for s in self.slots), self.reason)


ProvisionAction: TypeAlias = WriteRecords | RecordLaunch | SendLaunch | AdoptLaunch
