"""The actions of `reap`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mayfly.metrics import Metric
from mayfly.records.about import NOTHING, Fields, about, fields, host_of
from mayfly.records.changes import Change
from mayfly.records.model import Instance
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly.tick.measures import Series


@dataclass(frozen=True, slots=True)
class KeepLastWords:
    """Keep a failed host's report and console in the log group of last words."""

    instance: Instance
    words: str
    reason: str
    then: tuple[Change, ...] = ()
    """Changes to write once the words are kept; until then the next tick tries again."""
    clears: bool = False
    """Whether to clear the instance's mailbox rows once the words are kept."""

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.instance])


@dataclass(frozen=True, slots=True)
class TerminateInstances:
    """Terminate EC2 instances."""

    instance_ids: tuple[str, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return fields(instances=self.instance_ids)


@dataclass(frozen=True, slots=True)
class WarnHost:
    """Write a notice for a host into the mailbox."""

    row: str
    text: str
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return fields(instances=[host_of(self.row)])


@dataclass(frozen=True, slots=True)
class ClearMailbox:
    """Remove the mailbox rows of an instance that is gone."""

    instance: Instance
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.instance])


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Call a person: count a metric that has an alarm, and log an error."""

    metric: Metric
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return NOTHING


ReapAction: TypeAlias = (
    WriteRecords | TerminateInstances | WarnHost | ClearMailbox | RaiseAlarm | NudgeProvision
)


@dataclass(frozen=True, slots=True)
class Steps:
    """The actions about one instance, in order.

    A failed action stops the later ones: above all, an instance is not terminated when another
    function has just changed its record.
    """

    actions: tuple[ReapAction, ...]
    terminate: str | None = None
    """Id of the EC2 instance to terminate once all actions are done; None: not to be terminated."""
    closes: bool = False
    """Whether the actions close the instance's record."""
    words: KeepLastWords | None = None
    """The last words to keep, after all instances' actions and terminations."""
    counts: tuple[Series, ...] = ()
    """Metrics to which the steps add one each, once all actions are done."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The actions of one tick: steps by instance, then the actions about no instance record."""

    steps: tuple[Steps, ...]
    rest: tuple[ReapAction, ...]
    owed: tuple[Steps, ...] = ()
    """Last words of instances that earlier ticks closed: kept, or given up."""
