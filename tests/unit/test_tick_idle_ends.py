"""Hot instances that end soon, without a job and not by Mayfly, are replaced ever more rarely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mayfly.metrics import Metric
from mayfly.records.idle_ends import WAITS
from mayfly.records.states import ClaimState, InstanceState
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from tests.unit.builders import QUEUE, row
from tests.unit.hosts import POWER_OFF, STOPPED
from tests.unit.world import World, a_world

S = InstanceState


def power_off(world: World) -> None:
    for instance in world.instances(S.READY):
        world.machines.end(str(instance.instance_id), POWER_OFF)


def stop(world: World) -> None:
    """Somebody's schedule stops every instance of the account."""
    for instance in world.instances(S.READY):
        machine = world.machines.machines[str(instance.instance_id)]
        machine.seen = replace(machine.seen, state="stopped", reason=STOPPED)


def give_up(world: World) -> None:
    """Every supervisor fails while it waits for a job."""
    for instance in world.instances(S.READY):
        failed = Report(Phase.FAILED, f"boot-{instance.instance_id}", reason="no space left")
        world.mailbox.report(row(instance), failed)


def lose_to_spot(world: World) -> None:
    for instance in world.instances(S.READY):
        world.machines.end(str(instance.instance_id), "Server.SpotInstanceTermination: spot")


def for_minutes(world: World, minutes: int, end: Callable[[World], None]) -> int:
    """Instances launched in this time, in which every hot instance ends 20 seconds after proof."""
    before = len(world.machines.machines)
    for _ in range(2 * minutes):
        world.provision()
        world.make_ready()
        world.after(seconds=20)
        end(world)
        world.reap()
        world.machines.settle()
        world.reap()
        world.after(seconds=10)
    return len(world.machines.machines) - before


@pytest.mark.parametrize("end", [power_off, stop, give_up])
def test_a_pool_whose_idle_instances_end_is_filled_ever_more_rarely(
    end: Callable[[World], None],
) -> None:
    world = a_world(**{"pool/hot": "2"})
    assert for_minutes(world, 60, end) <= 2 * len(WAITS)
    assert for_minutes(world, 60, end) <= 2 * 2
    assert world.ledger().brakes == {}


def test_the_alarm_names_queue_cause_and_the_time_of_the_next_try() -> None:
    world = a_world(**{"pool/hot": "1"})
    for_minutes(world, 20, stop)
    alarms = world.provision().alarms
    (line,) = [line for metric, line in alarms if metric is Metric.BRAKED]
    assert line.startswith(f"queue {QUEUE}: ")
    assert "stopped from outside" in line
    assert "the pool is not filled: " in line
    assert "; the next try is at " in line


def test_jobs_get_instances_though_the_pool_is_not_filled() -> None:
    world = a_world(**{"pool/hot": "2"})
    for_minutes(world, 20, power_off)
    world.schedule("job-1")
    world.dispatch()
    world.provision()
    assert len(world.instances(S.LAUNCHING)) == 1
    world.make_ready()
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_the_pool_is_full_again_half_an_hour_after_the_cause_is_gone() -> None:
    world = a_world(**{"pool/hot": "2"})
    for_minutes(world, 60, stop)
    for _ in range(31):
        world.provision()
        world.make_ready()
        world.after(1)
    assert len(world.instances(S.READY)) == 2


def test_a_pool_of_spot_instances_that_ec2_takes_back_is_filled_at_once() -> None:
    world = a_world(**{"pool/hot": "1", "launch/purchase": "spot"})
    for_minutes(world, 10, lose_to_spot)
    assert world.ledger().idle_ends == {}


def test_an_instance_that_was_idle_for_long_ends_without_a_note() -> None:
    world = a_world(**{"pool/hot": "1"})
    world.provision()
    world.make_ready()
    world.after(11)
    power_off(world)
    world.reap()
    assert world.ledger().boots == ()
