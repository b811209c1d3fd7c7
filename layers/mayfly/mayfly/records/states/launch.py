"""The states of a launch and the traits of each state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mayfly.records.states.table import exhaustive


class LaunchState(StrEnum):
    """Progress of one CreateFleet request."""

    OPEN = "open"
    SETTLED = "settled"

    @property
    def traits(self) -> LaunchTraits:
        """The row of this state."""
        return LAUNCH_STATES[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTraits:
    """Traits of a launch's state."""

    rank: int
    """Place in the stored key of the index `open`. Never change or reuse a rank."""
    edges: Mapping[LaunchState, str]
    """The states that may follow, each with its cause. A state without edges is closed."""

    @property
    def open(self) -> bool:
        """Whether EC2's answer is still to come."""
        return bool(self.edges)


LAUNCH_STATES: Mapping[LaunchState, LaunchTraits] = exhaustive(
    LaunchState,
    {
        LaunchState.OPEN: LaunchTraits(
            rank=0,
            edges={
                LaunchState.SETTLED: "EC2 answered, or the time for repeating the request is over"
            },
        ),
        LaunchState.SETTLED: LaunchTraits(rank=1, edges={}),
    },
)
