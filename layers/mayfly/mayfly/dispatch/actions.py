"""What `dispatch` may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mayfly.records.model import Claim, Instance
from mayfly.tick.actions import NudgeProvision, WriteRecords


@dataclass(frozen=True, slots=True)
class OpenClaims:
    """Record jobs as claims, before they are reserved."""

    claims: tuple[Claim, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ReserveJobs:
    """Reserve jobs at Buildkite, or keep their reservations alive."""

    claims: tuple[Claim, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class BindJob:
    """Give a job to a ready instance. The assignment lacks the token, which is minted last."""

    claim: Claim
    instance: Instance
    assignment: Mapping[str, object]
    reason: str


@dataclass(frozen=True, slots=True)
class FailJob:
    """Tell Buildkite that a job failed here, with the reason that its claim bears."""

    claim: Claim
    reason: str


DispatchAction: TypeAlias = (
    WriteRecords | OpenClaims | ReserveJobs | BindJob | FailJob | NudgeProvision
)
