"""What a loop of `dispatch` keeps from tick to tick: reads that may outlast the tick, standings."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.dispatch.environments import Environments
from mayfly.dispatch.parameter_reads import ParameterReads
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.state_reads import StateReads
from mayfly.tick.standings import Standings


@dataclass(frozen=True, slots=True)
class LongReads:
    """The reads of one loop that outlast a tick, or whose answers do."""

    environments: Environments
    states: StateReads
    parameters: ParameterReads
    standings: Standings | None = None
    """What the loop has said of queues; None where it remembers nothing."""

    @classmethod
    def of(cls, ports: DispatchPorts, standings: Standings | None = None) -> LongReads:
        """Reads for one loop; none has begun."""
        return cls(
            Environments(ports.buildkite),
            StateReads(ports.buildkite),
            ParameterReads(ports.parameters),
            standings,
        )

    def close(self) -> None:
        """Give up all reads that have not begun. Does not wait for the others."""
        self.environments.close()
        self.states.close()
