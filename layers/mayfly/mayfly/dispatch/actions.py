"""What `dispatch` may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mayfly.records.about import Fields, about
from mayfly.records.changes import Change
from mayfly.records.model import Claim, Instance
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly_protocol.assignment import Assignment


@dataclass(frozen=True, slots=True)
class OpenClaims:
    """Record jobs as claims, before they are reserved."""

    claims: tuple[Claim, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about(self.claims)


@dataclass(frozen=True, slots=True)
class ReserveJobs:
    """Reserve jobs at Buildkite, or keep their reservations alive."""

    claims: tuple[Claim, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about(self.claims)


@dataclass(frozen=True, slots=True)
class KeepReservations:
    """Record until when Buildkite reserves jobs for us."""

    claims: tuple[Claim, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about(self.claims)


@dataclass(frozen=True, slots=True)
class BindJob:
    """Give a job to a ready instance. The assignment lacks the token, which is minted last."""

    claim: Claim
    """As the binding leaves it."""
    instance: Instance
    """As the binding leaves it."""
    assignment: Assignment
    row: str
    """The mailbox row that the assignment goes into."""
    expires: datetime
    """When the row may be deleted: the token is dead by then."""
    unbound: tuple[Change, ...]
    """What is written instead when Buildkite issues no token."""
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.claim, self.instance])


@dataclass(frozen=True, slots=True)
class FailJob:
    """Tell Buildkite that a job failed here, with the reason that its claim bears."""

    claim: Claim
    reserve: bool
    """Whether the job must be reserved first: Buildkite takes an end from its holder alone."""
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.claim])


DispatchAction: TypeAlias = (
    WriteRecords | OpenClaims | ReserveJobs | KeepReservations | BindJob | FailJob | NudgeProvision
)
