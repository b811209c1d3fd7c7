"""The reads of a loop of `dispatch` that may outlast the tick that begins them."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.dispatch.environments import Environments
from mayfly.dispatch.state_reads import StateReads
from mayfly.ports import Buildkite


@dataclass(frozen=True, slots=True)
class LongReads:
    """The reads of one loop that no tick waits for to the end."""

    environments: Environments
    states: StateReads

    @classmethod
    def of(cls, buildkite: Buildkite) -> LongReads:
        """Reads for one loop; none has begun."""
        return cls(Environments(buildkite), StateReads(buildkite))

    def close(self) -> None:
        """Give up all reads that have not begun. Does not wait for the others."""
        self.environments.close()
        self.states.close()
