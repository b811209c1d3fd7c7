"""EC2 takes instances back before they are ready: they are launched again, ever more rarely."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.metrics import Metric
from mayfly.provision import tick as provision
from mayfly.records.losses import WAITS
from mayfly.records.model import Launch
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.why import Code
from tests.unit.builders import QUEUE, TYPES
from tests.unit.world import World, a_world, wanting

S = InstanceState
NO_CAPACITY = "Server.InsufficientInstanceCapacity: There was insufficient capacity"
SPOT_LOSS = "Server.SpotInstanceTermination: Spot instance termination"


def lose(world: World, reason: str, market: str = "") -> None:
    """EC2 takes every instance back that is launching, or only those of one market."""
    world.machines.settle()
    for instance in world.instances(S.LAUNCHING):
        machine = world.machines.machines[str(instance.instance_id)]
        if market in {"", machine.market}:
            world.machines.end(str(instance.instance_id), reason)
    world.reap()


def for_an_hour(world: World, reason: str, every: float) -> list[int]:
    """Launches of each of six times ten minutes, in which each instance is lost after a while."""
    counts, start = [], world.clock.now
    for part in range(1, 7):
        before = len(world.machines.machines)
        while world.clock.now < start + timedelta(minutes=10 * part):
            world.dispatch()
            provision.tick(world.provision_ports, world.edge, nudged=True)
            world.after(seconds=every)
            lose(world, reason)
            world.after(seconds=1)
        counts.append(len(world.machines.machines) - before)
    return counts


def test_instances_that_ec2_takes_back_at_once_are_launched_once_a_minute_at_most() -> None:
    by_ten_minutes = for_an_hour(wanting("job-1"), NO_CAPACITY, every=9)
    assert by_ten_minutes[0] <= 10 + len(WAITS)
    assert all(count <= 10 for count in by_ten_minutes[1:])


def test_after_the_first_loss_the_next_launch_waits_for_nothing() -> None:
    world = wanting("job-1", **{"launch/purchase": "spot"})
    world.provision()
    lose(world, SPOT_LOSS)
    world.provision()
    assert len(world.instances(S.LAUNCHING)) == 1


def test_after_a_loss_of_spot_the_next_launch_is_on_demand_where_the_queue_says_so() -> None:
    world = wanting("job-1", **{"launch/purchase": "spot-then-on-demand"})
    for _ in range(3):
        world.provision()
        lose(world, SPOT_LOSS, market="spot")
    assert sorted(launch.market for launch in world.fleet.all(Launch)) == ["on-demand", "spot"]
    world.make_ready()
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_a_proven_instance_forgets_the_losses_before_it() -> None:
    world = wanting("job-1")
    world.provision()
    lose(world, NO_CAPACITY)
    world.provision()
    (lost,) = world.ledger().losses.values()
    assert lost.rounds == 1
    world.make_ready()
    world.provision()
    assert world.ledger().losses == {}


@pytest.mark.parametrize("jobs", [2, 9])
def test_instances_that_are_lost_together_are_one_round(jobs: int) -> None:
    world = wanting(*[f"job-{n}" for n in range(jobs)])
    world.provision()
    lose(world, NO_CAPACITY)
    world.provision()
    (lost,) = world.ledger().losses.values()
    assert lost.rounds == 1
    assert len(world.instances(S.LAUNCHING)) == jobs


def test_jobs_whose_instances_are_taken_back_again_and_again_hold_up_no_other_job() -> None:
    world = a_world(**{"limits/max-instances": "5"})
    rare = (f"queue={QUEUE}", f"instance-type={TYPES[1]}")
    world.schedule(*[f"rare-{n:02}" for n in range(20)], rules=rare)
    for _ in range(20):
        world.dispatch()
        world.provision()
        world.after(seconds=20)
        lose(world, NO_CAPACITY)
        world.after(seconds=1)
    world.schedule("normal")
    for _ in range(4):
        world.dispatch()
        world.after(seconds=3)
    assert world.claim("normal").state is ClaimState.WAITING


def test_losses_in_a_row_are_an_alarm_as_refusals_are() -> None:
    world = wanting("job-1")
    for _ in range(6):
        world.dispatch()
        world.provision()
        world.after(seconds=20)
        lose(world, NO_CAPACITY)
        world.after(seconds=1)
    lines = [line for metric, line in world.provision().alarms if metric is Metric.NO_CAPACITY]
    assert lines[0].startswith(f"queue {QUEUE}: EC2 took back ")
    assert NO_CAPACITY in lines[0]
    world.after(11)
    assert not provision.tick(world.provision_ports, world.edge).alarms


def test_the_page_of_the_job_and_the_claim_say_what_ec2_took_back() -> None:
    world = wanting("job-1")
    for _ in range(5):
        world.provision()
        lose(world, NO_CAPACITY)
        world.after(seconds=15)
        world.dispatch()
    note = world.buildkite.known["job-1"].notes[-1]
    assert note.startswith("Waiting: EC2 took back the instances of ")
    assert "Server.InsufficientInstanceCapacity" in note
    for _ in range(20):
        world.after(3.5).dispatch()
        world.provision()
        lose(world, NO_CAPACITY)
    why = world.claim("job-1").why
    assert why is not None
    assert why.code in {Code.TAKEN_BACK, Code.ALWAYS_TAKEN_BACK}
