"""The actions of `dispatch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mayfly.records.about import Fields, about, fields
from mayfly.records.changes import Change
from mayfly.records.model import Claim, Instance
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords
from mayfly_protocol.assignment import Assignment


@dataclass(frozen=True, slots=True)
class _ClaimsAction:
    """An action about several claims."""

    claims: tuple[Claim, ...]
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about(self.claims)


@dataclass(frozen=True, slots=True)
class OpenClaims(_ClaimsAction):
    """Save new claims. Claims are saved before their jobs are reserved at Buildkite."""


@dataclass(frozen=True, slots=True)
class ReserveJobs(_ClaimsAction):
    """Reserve jobs at Buildkite, or extend their reservations."""


@dataclass(frozen=True, slots=True)
class KeepReservations(_ClaimsAction):
    """Save the claims with the time until which Buildkite reserves their jobs."""


@dataclass(frozen=True, slots=True)
class BindJob:
    """Give a job to a ready instance. The assignment has no token yet: tokens are minted last."""

    claim: Claim
    """The claim after the binding."""
    instance: Instance
    """The instance after the binding."""
    assignment: Assignment
    row: str
    """The mailbox row for the assignment."""
    expires: datetime
    """When the row may be deleted: by then the token is dead."""
    without_token: tuple[Change, ...]
    """The changes to write instead when Buildkite issues no token."""
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.claim, self.instance])


@dataclass(frozen=True, slots=True)
class FailJob:
    """Fail a job at Buildkite with its claim's reason."""

    claim: Claim
    reserve: bool
    """Whether to reserve the job first: Buildkite lets only the holder of a reservation end it."""
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return about([self.claim])


@dataclass(frozen=True, slots=True)
class NotifyBuilds:
    """Say on the pages of jobs why the jobs have not begun. A note that is lost is not repeated."""

    claims: tuple[Claim, ...]
    """Claims after their notes; saved before the notes are sent. Jobs left alone have no claim."""
    notes: Mapping[str, str]
    """Texts by job id."""
    reason: str

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""
        return fields(queues=sorted({c.queue for c in self.claims}), jobs=list(self.notes))


DispatchAction: TypeAlias = (
    WriteRecords
    | OpenClaims
    | ReserveJobs
    | KeepReservations
    | BindJob
    | FailJob
    | NotifyBuilds
    | NudgeProvision
    | NudgeReap
)
