"""How one claim is settled, for tests of claims."""

from __future__ import annotations

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.opened import sort_listing
from mayfly.dispatch.settled import settle
from mayfly.dispatch.view import QueueView
from mayfly.records.model import Claim, Instance, SlotKey
from mayfly.records.states import InstanceState
from mayfly.tick.actions import WriteRecords
from tests.unit.builders import NOW, SPEC, a_config, an_instance

ASSIGNED = an_instance(InstanceState.ASSIGNED)
GONE = an_instance(InstanceState.TERMINATED, reason="EC2 ended the instance: spot")


def settled(
    claim: Claim,
    word: str = "",
    instance: Instance | None = ASSIGNED,
    *,
    attempts: int = 3,
    paused: bool = False,
    config: QueueConfig | None = None,
) -> list[WriteRecords]:
    states = {claim.job: word} if word else {}
    instances: dict[SlotKey, Instance] = {instance.key: instance} if instance else {}
    view = QueueView(SPEC, (claim,), instances, paused=paused, states=states)
    used = config or a_config(attempts=attempts)
    return list(settle(sort_listing(view, used), used, NOW))
