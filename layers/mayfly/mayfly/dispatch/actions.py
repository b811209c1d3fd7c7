"""What `dispatch` may do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from mayfly.records.about import Fields, about
from mayfly.records.changes import Assign, Change, Save
from mayfly.records.model import Claim, Instance
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly_protocol.assignment import Assignment, written


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
    unbound: tuple[Change, ...]
    """What is written instead when Buildkite issues no token."""
    reason: str

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""
        return about([self.claim, self.instance])

    def changes(self, token: str) -> tuple[Change, ...]:
        """Claim, instance and assignment, in one write; the row lives as long as the token."""
        row, until = self.instance.sandbox_row, self.claim.token_until
        if row is None or until is None:
            raise ValueError(f"job {self.claim.job} is bound to an instance without a mailbox row")
        assignment = written(replace(self.assignment, token=token))
        return Save(self.claim), Save(self.instance), Assign(row, assignment, until)


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
