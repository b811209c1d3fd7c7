"""A loop in a world in which time passes only while the loop waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from mayfly.dispatch.loop import dispatch_until_replaced
from mayfly.provision.loop import provision_until_quiet
from mayfly.sandbox.loop import sandbox_while_open
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from tests.unit.world import World


@dataclass(slots=True)
class Script:
    """Scripted events during the waits of a loop; a wait moves the world's clock."""

    world: World
    seconds: float
    events: dict[int, Callable[[], object]] = field(default_factory=dict)
    """Events by the number of their wait, from 1."""
    waits: list[float] = field(default_factory=list)

    def edge(self) -> Edge:
        stop_at = self.world.clock.now + timedelta(seconds=self.seconds)
        return Edge(self.world.clock, self.sleep, stop_at)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.world.clock.sleep(seconds)
        if event := self.events.get(len(self.waits)):
            event()

    def dispatch(self, holder: str = "me") -> Outcome:
        return dispatch_until_replaced(self.world.dispatch_ports, "owner", holder, self.edge())

    def sandbox(self, *, nudged: bool = False) -> Outcome:
        return sandbox_while_open(self.world.sandbox_ports, self.edge(), nudged=nudged)

    def provision(self, *, nudged: bool = False) -> Outcome:
        return provision_until_quiet(self.world.provision_ports, self.edge(), nudged=nudged)
