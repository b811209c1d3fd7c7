"""Views of one queue for `provision`, and what it decides on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mayfly.config.queue import QueueConfig
from mayfly.provision.actions import ProvisionAction, RecordLaunch
from mayfly.provision.decide import decide
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Claim, Instance
from mayfly.records.states import InstanceState
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


def launched(view: ProvisionView, config: QueueConfig | None = None) -> int:
    return sum(count for _, count in started(decided(view, config)))


def waiting(count: int, **changes: Any) -> tuple[Claim, ...]:
    return tuple(a_claim(f"job-{n}", **changes) for n in range(count))


def of(*states: InstanceState, **changes: Any) -> tuple[Instance, ...]:
    return tuple(an_instance(state, n, **changes) for n, state in enumerate(states))
