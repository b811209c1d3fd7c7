"""What `reap` may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mayfly.metrics import Metric
from mayfly.records.about import NOTHING, Fields, about, fields, host_of
from mayfly.records.changes import Change
from mayfly.records.model import Instance
from mayfly.tick.actions import NudgeProvision, WriteRecords


@dataclass(frozen=True, slots=True)
class KeepLastWords:
    """Keep a failed host's report and console where they can be read tomorrow."""

    instance: Instance
    words: str
    reason: str
    then: tuple[Change, ...] = ()
    """What to record once they are kept: a failure to keep them is tried again."""

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.instance])


@dataclass(frozen=True, slots=True)
class TerminateInstances:
    """End EC2 instances."""

    instance_ids: tuple[str, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return fields(instances=self.instance_ids)


@dataclass(frozen=True, slots=True)
class WarnHost:
    """Put a notice into a host's mailbox row."""

    row: str
    text: str
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return fields(instances=[host_of(self.row)])


@dataclass(frozen=True, slots=True)
class ClearMailbox:
    """Remove the mailbox rows of an instance that is gone."""

    instance: Instance
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.instance])


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Say that a person must look: a metric with an alarm, and an error in the log."""

    metric: Metric
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return NOTHING


ReapAction: TypeAlias = (
    WriteRecords
    | KeepLastWords
    | TerminateInstances
    | WarnHost
    | ClearMailbox
    | RaiseAlarm
    | NudgeProvision
)


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done about one instance, in order.

    A step that fails keeps the later ones from being taken: above all, nobody is terminated whose
    record another function has just moved on.
    """

    actions: tuple[ReapAction, ...]
    terminate: str | None = None
    """The EC2 instance that may be terminated once every step is taken."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one tick of reap does: steps by instance, then what concerns no record of one."""

    steps: tuple[Steps, ...]
    rest: tuple[ReapAction, ...]
