"""The simulator's fakes in the worlds of the contract suites: time passes as each needs it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mayfly_fakes import FakeMailbox
from mayfly_lab.sim.buildkite import SimBuildkite
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.ec2 import SimMachines
from mayfly_lab.sim.faults import rates
from mayfly_lab.sim.table import SimFleet
from mayfly_lab.sim.time import Time
from mayfly_lab.sim.world import BEGIN
from tests.contract import buildkite_worlds, fleet_worlds, machine_worlds


def no_faults() -> Chance:
    return Chance(1, rates(only=True))


class ShownFleet(SimFleet):
    """Each list comes after the index has shown everything."""

    def _list(self, *args: Any) -> Any:
        self._time.run(self._time.seconds + 1)
        return super()._list(*args)


class FleetWorld(fleet_worlds.FakeWorld):
    def __init__(self) -> None:
        self.mailbox = FakeMailbox()
        self.fleet = ShownFleet(self.mailbox, Time(BEGIN), no_faults())


class MachinesWorld(machine_worlds.FakeWorld):
    def __init__(self) -> None:
        self.time = Time(datetime.now(UTC))
        templates = {self.template: self.bootstrap}
        self.changes: list[tuple[str, str]] = []
        self.machines = SimMachines(
            self.time, no_faults(), templates, lambda *change: self.changes.append(change)
        )
        self.machines.missing_subnets = {machine_worlds.NO_SUBNET}

    def settle(self, instance_id: str) -> None:
        """EC2 takes less than two minutes for anything."""
        self.time.run(self.time.seconds + 120)


class BuildkiteWorld(buildkite_worlds.FakeWorld):
    def __init__(self) -> None:
        self.clock = buildkite_worlds.Clock()
        self.buildkite = SimBuildkite(Time(BEGIN), no_faults())
        self.buildkite._clock = self.clock
        for queue in ("deploy", "other"):
            self.buildkite.add_queue(queue)
