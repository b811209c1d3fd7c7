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
    text = "the instance has no record any more"
    if instance is not None:
        name, cause = instance.instance_id or instance.key, _cause(instance.reason)
        text = f"instance {name} ended at {now:%H:%M:%S} UTC while its job ran: {cause}"
    return replace(move_claim(claim, ClaimState.FINISHED, now, text), told=False)


def _cause(reason: str) -> str:
    """The reason of an instance's end for its job's author: in words, with EC2's code."""
    if not reason.startswith(BY_EC2):
        return reason
    found = reason.removeprefix(BY_EC2)
    words = next((words for code, words in _IN_WORDS.items() if found.startswith(code)), "")
    return f"{words} ({found})" if words else reason
