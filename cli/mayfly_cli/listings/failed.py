"""Jobs that failed by the queue's policy, by Mayfly, or by the end of their machine. Pure.

What a job's own commands did is Buildkite's to tell: no record has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mayfly.records.lost import was_lost, was_switched_off
from mayfly.records.model import Claim, Instance, SlotKey
from mayfly.records.refused import was_refused
from mayfly.records.states import ClaimState

HOUR = timedelta(hours=1)
"""How far back `status` and `jobs` tell of failed jobs."""


class Outcome(StrEnum):
    """How a job failed."""

    DENIED = "denied"
    """The queue's policy does not let the job in, or the job's machine has refused the job."""
    FAILED = "failed"
    """Mayfly gave up: boots, or attempts to start the job, failed."""
    LOST = "lost"
    """The job's machine ended under the job."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Records of one queue that closed in some time, the latest first."""

    claims: tuple[Claim, ...] = ()
    instances: tuple[Instance, ...] = ()
    complete: bool = True
    """Whether these are all of the time's claims; False where older ones are left out."""

    def since(self, start: datetime) -> datetime:
        """From when on all claims are there that closed after `start`."""
        if self.complete:
            return start
        return max([start, *(claim.since for claim in self.claims[-1:])])


def outcome_of(claim: Claim, instance: Instance | None) -> Outcome | None:
    """How the job failed; None for a job that did not, or of whose failure no record tells.

    `instance` is the one on which the job ran last, None where it is not known.
    """
    if claim.state is ClaimState.FAILED:
        return Outcome.DENIED if _was_denied(claim) else Outcome.FAILED
    if claim.state is not ClaimState.FINISHED:
        return None
    if was_refused(claim):
        return Outcome.DENIED
    under_it = instance is not None and claim.slot == instance.key and was_switched_off(instance)
    return Outcome.LOST if was_lost(claim) or under_it else None


def reason_of(claim: Claim, instance: Instance | None) -> str:
    """Why the job failed: the claim's reason, or what Buildkite does not know of the machine."""
    if instance is None or was_lost(claim) or outcome_of(claim, instance) is not Outcome.LOST:
        return claim.reason
    ended = f"instance {instance.instance_id} ended at {instance.since:%H:%M:%S} UTC"
    return f"{ended} while its job ran: {instance.reason}"


def latest_of(claim: Claim, instances: Mapping[SlotKey, Instance]) -> Instance | None:
    """The instance of the claim's latest attempt; None where these instances lack it."""
    return instances.get(claim.slot) if claim.slot is not None else None


def _was_denied(claim: Claim) -> bool:
    # Only the policy fails a claim in the tick that opens it; any other failure takes a boot.
    return bool(claim.history) and claim.history[0].at == claim.since
