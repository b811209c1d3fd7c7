"""The loops of sandbox and provision: ticks while there is work, and the end without work."""

from __future__ import annotations

import pytest

from mayfly.errors import Conflict, MayflyError, Transient
from mayfly.records.states import InstanceState
from mayfly.tick.outcome import Left
from tests.unit.builders import TYPES
from tests.unit.script import Script
from tests.unit.world import a_world, launched, wanting

S = InstanceState

# -- sandbox ---------------------------------------------------------------------------------------


def test_without_a_host_on_its_way_sandbox_ends_at_once() -> None:
    script = Script(a_world(), 60)
    script.sandbox()
    assert script.waits == []


def test_sandbox_ticks_once_a_second_and_faster_during_a_swap() -> None:
    world = launched()
    world.machines.fail_next("associations", Transient("throttled"))
    script = Script(
        world, 60, {2: lambda: world.report(world.instance(), "bootstrapped"), 6: world.prove}
    )
    script.sandbox()
    assert script.waits == [1.0, 1.0, 1.0, *4 * [0.125]]
    assert world.instance().state is S.READY


@pytest.mark.parametrize(("phase", "waits"), [("booting", 40), ("bootstrapped", 2)])
def test_a_nudged_sandbox_stays_only_for_an_imminent_step(phase: str, waits: int) -> None:
    world = launched()
    world.report(world.instance(), phase)
    script = Script(world, 60, {1: world.prove})
    script.sandbox(nudged=True)
    assert len(script.waits) == waits


@pytest.mark.parametrize("nudged", [False, True])
def test_a_throttled_tick_of_sandbox_is_repeated_unless_nudged(nudged: bool) -> None:
    world = launched()
    world.fleet.fail_next("queues", Transient("throttled"))
    script = Script(world, 3)
    script.sandbox(nudged=nudged)
    assert len(script.waits) == (0 if nudged else 2)


# -- provision -------------------------------------------------------------------------------------


def test_provision_ticks_until_every_launch_is_made() -> None:
    jobs = [f"job-{n:03}" for n in range(50)]
    world = a_world(**{"limits/max-instances": "100"})
    world.schedule(*jobs)
    world.dispatch()
    world.dispatch()
    script = Script(world, 60)
    outcome = script.provision()
    assert (outcome.launched, script.waits) == (2, [])
    assert len(world.instances(S.LAUNCHING)) == 50


def test_a_nudged_provision_uses_the_records_and_a_scheduled_provision_reads_parameters() -> None:
    world = wanting("job-1")
    world.configure(**{"pool/hot": "3"})
    before = world.parameters.calls["under"]
    script = Script(world, 60)
    assert script.provision(nudged=True).launched == 1
    assert (len(world.instances()), world.parameters.calls["under"]) == (1, before)
    assert script.provision().launched == 1
    assert len(world.instances()) == 1 + 3


def test_provision_ends_without_capacity_and_leaves_the_wait_to_the_next_invocation() -> None:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    script = Script(world, 60)
    script.provision()
    assert script.waits == []


@pytest.mark.parametrize("error", [Transient("throttled"), Conflict("lost race")])
def test_provision_repeats_unfinished_work_after_two_seconds(error: MayflyError) -> None:
    world = wanting("job-1")
    world.fleet.fail_next("write", error)
    script = Script(world, 60)
    script.provision()
    assert script.waits == [2.0]
    assert len(world.instances(S.LAUNCHING)) == 1


def test_provision_repeats_a_throttled_launch_ever_more_rarely_until_its_time_limit() -> None:
    world = wanting("job-1")
    world.machines.fail_next("create_fleet", Transient("500"), times=999)
    script = Script(world, 52)
    outcome = script.provision()
    assert script.waits == [2, 4, 8, 16, 16]
    assert outcome.left == {Left.TRANSIENT: 6}


def test_a_throttled_queue_does_not_slow_the_launches_of_another() -> None:
    world = wanting("job-1")
    world.publish("other")
    world.configure("other", **{"pool/hot": "50", "launch/instance-types": ",".join(TYPES)})
    world.machines.fail_next("create_fleet", Transient("throttled"))
    script = Script(world, 52)
    script.provision()
    assert len(world.instances(S.LAUNCHING)) == 1 + 50
    assert sum(script.waits) <= 4


def test_lost_races_of_provision_are_repeated_at_the_same_pace() -> None:
    world = wanting("job-1")
    world.fleet.fail_next("write", Conflict("lost race"), times=3)
    script = Script(world, 52)
    script.provision()
    assert script.waits == [2, 2, 2]


def test_the_outcome_of_an_invocation_has_each_problem_once() -> None:
    world = wanting("job-1")
    world.configure(**{"pool/hot": "many"})
    world.machines.fail_next("create_fleet", Transient("500"), times=999)
    assert len(Script(world, 30).provision().problems) == 1
