"""The states of each record, with one table of traits per record.

Everything that differs by state is a field of the table's rows. So a new state needs every answer
before code can use it: mypy refuses a row that lacks a field, and the import fails without the
row. The documentation's diagrams are generated from these tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mayfly.errors import Illegal
from mayfly.records.states.claim import CLAIM_STATES, Agent, ClaimState, ClaimTraits, Watch
from mayfly.records.states.instance import (
    INSTANCE_STATES,
    REPEAT_LAUNCH,
    InstanceState,
    InstanceTraits,
)
from mayfly.records.states.launch import LAUNCH_STATES, LaunchState, LaunchTraits
from mayfly.records.states.table import Ranked, exhaustive
from mayfly.records.states.traits import (
    Allowance,
    Ending,
    HostEnd,
    Reaping,
    Running,
    SetUp,
    SpotWarning,
    Stop,
    Supply,
)

__all__ = [
    "CLAIM_STATES",
    "CLOSED_INSTANCES",
    "INSTANCE_STATES",
    "LAUNCH_STATES",
    "OPEN_CLAIMS",
    "OPEN_INSTANCES",
    "OPEN_LAUNCHES",
    "REPEAT_LAUNCH",
    "Agent",
    "Allowance",
    "AnyState",
    "ClaimState",
    "ClaimTraits",
    "Ending",
    "HostEnd",
    "InstanceState",
    "InstanceTraits",
    "LaunchState",
    "LaunchTraits",
    "Ranked",
    "Reaping",
    "Running",
    "SetUp",
    "SpotWarning",
    "Stop",
    "Supply",
    "Watch",
    "check_edge",
    "claim_states",
    "exhaustive",
    "instance_states",
]

AnyState: TypeAlias = ClaimState | InstanceState | LaunchState


def claim_states(question: Callable[[ClaimTraits], bool]) -> frozenset[ClaimState]:
    """Claim states with traits that satisfy `question`."""
    return frozenset(state for state, traits in CLAIM_STATES.items() if question(traits))


def instance_states(question: Callable[[InstanceTraits], bool]) -> frozenset[InstanceState]:
    """Instance states with traits that satisfy `question`."""
    return frozenset(state for state, traits in INSTANCE_STATES.items() if question(traits))


OPEN_CLAIMS = claim_states(lambda claim: claim.open)
OPEN_INSTANCES = instance_states(lambda instance: instance.open)
CLOSED_INSTANCES = frozenset(InstanceState) - OPEN_INSTANCES
"""The index `open` has instances in these states only while they owe last words."""
OPEN_LAUNCHES = frozenset(state for state, traits in LAUNCH_STATES.items() if traits.open)


def check_edge(old: AnyState, new: AnyState) -> None:
    """Raise Illegal unless the table has an edge from `old` to `new`."""
    if new not in old.traits.edges:
        raise Illegal(f"{type(old).__name__}: no edge from {old} to {new}")
