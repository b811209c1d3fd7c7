"""Actions of several functions. Each action has a reason, which is logged.

An action that changes records holds the new records. Anything else that an effect needs (a token,
EC2's answer) is fetched where the action is applied, and no action stores it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.records.about import NOTHING, Fields, about_changes
from mayfly.records.changes import Change, Save
from mayfly.records.model import Instance


@dataclass(frozen=True, slots=True)
class WriteRecords:
    """Write changes of records in one transaction."""

    changes: tuple[Change, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about_changes(self.changes)


def condemnation(condemned: Instance, reason: str, *notes: Change) -> WriteRecords:
    """The write of an instance that is condemned for this reason, with notes of its boot."""
    text = f"instance {condemned.instance_id} is condemned: {reason}"
    return WriteRecords((Save(condemned), *notes), text)


@dataclass(frozen=True, slots=True)
class NudgeReap:
    """Ask for a tick of `reap`, which alone terminates instances."""

    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return NOTHING


@dataclass(frozen=True, slots=True)
class NudgeProvision:
    """Ask for a tick of `provision`."""

    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return NOTHING
