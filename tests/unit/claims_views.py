"""What one claim comes to, as tests of claims speak of it."""

from __future__ import annotations

from mayfly.dispatch.settle import ClaimsView, settle
from mayfly.records.model import Claim, Instance, SlotKey
from mayfly.records.states import InstanceState
from mayfly.tick.actions import WriteRecords
from tests.unit.builders import NOW, an_instance

ASSIGNED = an_instance(InstanceState.ASSIGNED)
GONE = an_instance(InstanceState.TERMINATED, reason="EC2 ended it: spot")


def settled(
    claim: Claim,
    word: str = "",
    instance: Instance | None = ASSIGNED,
    *,
    attempts: int = 3,
    paused: bool = False,
) -> list[WriteRecords]:
    states = {claim.job: word} if word else {}
    instances: dict[SlotKey, Instance] = {instance.key: instance} if instance else {}
    return list(settle(ClaimsView((claim,), states, instances, attempts, paused), NOW))
