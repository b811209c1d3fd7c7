"""The actions of `provision`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mayfly.records.about import Fields, about
from mayfly.records.changes import Change, Save
from mayfly.records.ledger import Ledger
from mayfly.records.model import Instance, Launch, move_instance, saved
from mayfly.records.states import InstanceState
from mayfly.tick.actions import NudgeReap, WriteRecords, condemnation


@dataclass(frozen=True, slots=True)
class _OpenLaunchAction:
    """An action about a recorded launch without EC2's answer, and its slots."""

    launch: Launch
    slots: tuple[Instance, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.launch, *self.slots])


@dataclass(frozen=True, slots=True)
class SendLaunch(_OpenLaunchAction):
    """Send a recorded launch to EC2, again if need be, and settle the launch by EC2's answer."""


@dataclass(frozen=True, slots=True)
class AdoptLaunch(_OpenLaunchAction):
    """Settle a launch by the instances with its tag, because EC2's answer is lost for good."""


@dataclass(frozen=True, slots=True)
class RecordLaunch:
    """Save a launch with its slots and the queue's ledger, then send the launch."""

    launch: Launch
    slots: tuple[Instance, ...]
    ledger: Ledger
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.launch])

    @property
    def changes(self) -> tuple[Change, ...]:
        """Ledger, launch and slots for one transaction: nothing is sent unless all are saved."""
        return Save(self.ledger), Save(self.launch), *map(Save, self.slots)

    @property
    def sent(self) -> SendLaunch:
        """The action that follows once the changes are written."""
        return SendLaunch(saved(self.launch), tuple(saved(s) for s in self.slots), self.reason)


@dataclass(frozen=True, slots=True)
class _PowerAction:
    """A stop or a start of a recorded instance."""

    instance: Instance
    reason: str
    first: tuple[Change, ...] = ()
    """Changes to write before: if that write fails, EC2 is not called."""

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.instance])


@dataclass(frozen=True, slots=True)
class StopInstance(_PowerAction):
    """Stop an instance that is recorded as stopping."""


@dataclass(frozen=True, slots=True)
class StartInstance(_PowerAction):
    """Write the order for the host of a stopped instance, recorded as starting; then start it."""


ProvisionAction: TypeAlias = (
    WriteRecords
    | RecordLaunch
    | SendLaunch
    | AdoptLaunch
    | StopInstance
    | StartInstance
    | NudgeReap
)


def condemn(instance: Instance, reason: str, now: datetime) -> WriteRecords:
    """Condemn an instance whose end says nothing of its boot."""
    condemned = move_instance(instance, InstanceState.CONDEMNED, now, reason)
    return condemnation(condemned, reason)
