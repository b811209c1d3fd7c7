"""A host may hang in every phase, and the machine runs on: within a stated time it is gone."""

from __future__ import annotations

import pytest

from mayfly.records.states import InstanceState
from tests.unit import invariants
from tests.unit.hosts import Hosts
from tests.unit.world import World, a_world

PHASES = ["new", "booting", "bootstrapped", "sandboxed", "assigned", "running", "done"]


def rounds(world: World, hosts: Hosts, seconds: float, count: int) -> None:
    """Run every function and every host `count` times, this far apart."""
    for _ in range(count):
        world.tick()
        hosts.step()
        invariants.always(world, hosts)
        world.after(seconds=seconds)


@pytest.mark.parametrize("phase", PHASES)
def test_a_host_that_hangs_is_gone_and_its_job_has_ended(phase: str) -> None:
    world = a_world()
    hosts = Hosts(world, fates=[f"hangs {phase}"])
    world.schedule("job-1")
    rounds(world, hosts, 1, 12)
    hosts.lose_agents()
    rounds(world, hosts, 30, 60)
    invariants.at_rest(world)
    first = min(world.instances(), key=lambda instance: instance.created)
    assert first.state is InstanceState.TERMINATED
    expected = -1 if phase == "running" else 0
    assert world.buildkite.known["job-1"].exit == expected


def test_the_hosts_of_this_module_hang_in_every_phase_that_they_reach() -> None:
    world = a_world()
    hosts = Hosts(world)
    world.schedule("job-1")
    seen = set()
    for _ in range(40):
        world.tick()
        seen |= {host.phase for host in hosts.hosts.values()}
        hosts.step()
        world.after(seconds=1)
    assert seen - {"off"} <= set(PHASES)
    assert seen >= {"booting", "sandboxed", "running", "done"}
