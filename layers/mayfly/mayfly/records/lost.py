"""A job whose machine ended while an agent had it: what the claim says, and that it is to be told.

Buildkite misses the agent only after minutes. Until then the job's page looks as if the job ran.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mayfly.records.model import Claim, Instance, move_claim
from mayfly.records.states import ClaimState

BY_EC2 = "EC2 ended the instance: "
"""Begin of the reason of an end that EC2 alone explains; EC2's reason follows."""
GOING_DOWN = "the machine is going down"
"""Begin of the reason of a host that was told to switch off: by EC2, or from within."""
LACK_OF_CAPACITY = ("Server.InsufficientInstanceCapacity", "Server.SpotInstance")
"""Begins of EC2's reasons for an end that says nothing of the image.

EC2 API reference, StateReason: `Server.InsufficientInstanceCapacity`,
`Server.SpotInstanceShutdown`, `Server.SpotInstanceTermination`.
"""
_UNRECORDED = "the instance has no record any more"
_WHILE_IT_RAN = " while its job ran: "
# Codes: EC2 API reference, StateReason.
_IN_WORDS = {
    "Server.SpotInstance": "EC2 took the spot instance back",
    "Client.UserInitiatedShutdown": "the instance was terminated from outside",
    "Client.InstanceInitiatedShutdown": "the machine switched itself off",
}


def lost(claim: Claim, instance: Instance | None, now: datetime) -> Claim:
    """The claim, finished because of its instance's end; its page is still to be told.

    `instance` is the closed record; None where there is none any more.
    """
    text = _UNRECORDED
    if instance is not None:
        name, cause = instance.instance_id or instance.key, _cause(instance.reason)
        text = f"instance {name} ended at {now:%H:%M:%S} UTC{_WHILE_IT_RAN}{cause}"
    return replace(move_claim(claim, ClaimState.FINISHED, now, text), told=False)


def was_lost(claim: Claim) -> bool:
    """Whether the claim is one of `lost`: its instance ended while an agent had the job."""
    told = _WHILE_IT_RAN in claim.reason or claim.reason.startswith(_UNRECORDED)
    return claim.state is ClaimState.FINISHED and told


def went_down(reason: str, ec2: str) -> str:
    """The reason of an end, with EC2's reason where the host knows only that it was switched off.

    `ec2` is empty where EC2 shows no reason.
    """
    if not ec2 or not reason.startswith(GOING_DOWN):
        return reason
    return f"{reason}: {_in_words(ec2) or ec2}"


def was_switched_off(instance: Instance) -> bool:
    """Whether an instance with a job ended because its machine was switched off under the job."""
    return instance.job is not None and instance.reason.startswith(GOING_DOWN)


def _cause(reason: str) -> str:
    """The reason of an instance's end for its job's author: in words, with EC2's code."""
    if not reason.startswith(BY_EC2):
        return reason
    return _in_words(reason.removeprefix(BY_EC2)) or reason


def _in_words(ec2: str) -> str:
    """EC2's reason in words, with its code; empty for a reason that has no words here."""
    words = next((words for code, words in _IN_WORDS.items() if ec2.startswith(code)), "")
    return f"{words} ({ec2})" if words else ""
