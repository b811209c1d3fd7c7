"""A job that its host refused before the job's first code: the claim says why, for the job's page.

The page itself shows only that a hook refused the job, and points to a log that no author has.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mayfly.records.bounds import LONGEST_REASON, cut
from mayfly.records.model import Claim, move_claim
from mayfly.records.states import Agent, ClaimState
from mayfly_protocol.report import REFUSED


def is_refusal(said: str) -> bool:
    """Whether a host says, as the reason of its end, that it refused its job."""
    return said.startswith(REFUSED)


def refused(claim: Claim, said: str, now: datetime) -> Claim:
    """The claim, finished because its host refused the job; its page is still to be told."""
    if claim.state.traits.agent is Agent.ENDED:
        return replace(claim, reason=cut(said, LONGEST_REASON), told=False)
    return replace(move_claim(claim, ClaimState.FINISHED, now, said), told=False)


def was_refused(claim: Claim) -> bool:
    """Whether the claim is one of `refused`."""
    return claim.state is ClaimState.FINISHED and is_refusal(claim.reason)
