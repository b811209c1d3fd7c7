"""Actions that several functions take. Each names its reason, which the log tells.

An action that changes records carries the records as they shall be; what an effect needs beyond
them (a token, EC2's answer) is fetched where the action is applied, and is stored in no action.
"""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.records.about import NOTHING, Fields, about_changes
from mayfly.records.changes import Change


@dataclass(frozen=True, slots=True)
class WriteRecords:
    """Change records in one transaction."""

    changes: tuple[Change, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about_changes(self.changes)


@dataclass(frozen=True, slots=True)
class NudgeProvision:
    """Ask for a tick of `provision`."""

    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return NOTHING
