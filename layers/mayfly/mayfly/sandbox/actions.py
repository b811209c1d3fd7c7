"""The actions of `sandbox`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mayfly.records.about import Fields, about
from mayfly.records.changes import Change
from mayfly.records.model import Instance
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords


@dataclass(frozen=True, slots=True)
class ReplaceProfile:
    """Replace an instance's bootstrap profile by its sandbox profile."""

    instance: Instance
    association: str
    reason: str
    first: tuple[Change, ...] = ()
    """Changes to write before: if that write fails, the profile is not replaced."""

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.instance])


SandboxAction: TypeAlias = WriteRecords | ReplaceProfile | NudgeProvision | NudgeReap
