"""The times of a claim's phases, by which waits are told apart. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from mayfly.records.states import ClaimState


@dataclass(frozen=True, slots=True)
class Phases:
    """When a claim reached each phase after `runnable_at`; None for phases not reached.

    Rows of an earlier Mayfly have none of these times. Each is when Mayfly saw the phase, which is
    up to a tick later than the phase itself.
    """

    reserved: datetime | None = None
    """When Buildkite first took the reservation."""
    assigned: datetime | None = None
    """When the present attempt got its instance; None while the claim waits for another attempt."""
    accepted: datetime | None = None
    """When an agent was first seen to have the job."""
    finished: datetime | None = None
    """When the claim reached its last state, whatever the outcome."""


NO_PHASES = Phases()


def reached(phases: Phases, state: ClaimState, now: datetime) -> Phases:
    """The phases of a claim that enters `state` at `now`.

    A time that is known stays: an agent that is seen again has accepted the job before.
    """
    match state:
        case ClaimState.WAITING:
            return replace(phases, assigned=None)
        case ClaimState.ASSIGNED:
            return replace(phases, assigned=now)
        case ClaimState.RUNNING:
            return replace(phases, accepted=phases.accepted or now)
        case ClaimState.FINISHED | ClaimState.RELEASED | ClaimState.FAILED:
            return replace(phases, finished=phases.finished or now)
        case _:
            assert_never(state)
