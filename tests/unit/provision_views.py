"""Views of one queue for `provision`, and what it decides on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mayfly.config.queue import QueueConfig
from mayfly.provision.actions import ProvisionAction, RecordLaunch
from mayfly.provision.decide import decide
from mayfly.provision.view import ProvisionView
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Instance, SlotKey
from mayfly.records.states import InstanceState
from mayfly.tick.actions import WriteRecords
from tests.unit.builders import (
    NOW,
    SPEC,
    STACK,
    a_claim,
    a_config,
    a_ledger,
    an_instance,
)
from tests.unit.published import infra

S = InstanceState


def a_view(**changes: Any) -> ProvisionView:
    made = ProvisionView(
        stack=STACK,
        infra=infra(),
        spec=SPEC,
        waiting=(),
        instances=(),
        launches=(),
        slots={},
        ledger=a_ledger(),
    )
    return replace(made, **changes)


def decided(view: ProvisionView, config: QueueConfig | None = None) -> list[ProvisionAction]:
    return decide(view, config or a_config(), NOW)


def started(actions: list[ProvisionAction]) -> list[tuple[str, int]]:
    """Shape and number of instances of every recorded launch."""
    return [(str(a.launch.shape), a.launch.slots) for a in actions if isinstance(a, RecordLaunch)]


def slots_of(actions: list[ProvisionAction]) -> int:
    """The number of instances that the actions launch."""
    return sum(count for _, count in started(actions))


def launched(view: ProvisionView, config: QueueConfig | None = None) -> int:
    return slots_of(decided(view, config))


def of_condemned(actions: Iterable[ProvisionAction]) -> list[SlotKey]:
    """The slots of the instances that the actions condemn."""
    changes = [c for a in actions if isinstance(a, WriteRecords) for c in a.changes]
    records = [c.record for c in changes if isinstance(c, Save)]
    return [r.key for r in records if isinstance(r, Instance) and r.state is S.CONDEMNED]


def crowded(*instances: Instance, waiting: int = 0, **changes: Any) -> ProvisionView:
    """A view with these instances, which are all that count for the limit, and waiting jobs."""
    claims = tuple(a_claim(f"job-{n}") for n in range(waiting))
    ledger = a_ledger(live=len(instances))
    return replace(a_view(waiting=claims, instances=instances, ledger=ledger), **changes)


def waiting(count: int, **changes: Any) -> tuple[Claim, ...]:
    return tuple(a_claim(f"job-{n}", **changes) for n in range(count))


def of(*states: InstanceState, **changes: Any) -> tuple[Instance, ...]:
    return tuple(an_instance(state, n, **changes) for n, state in enumerate(states))
