"""Jobs of a shape that gets no instances take no places from jobs that could run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.adapters.dynamodb.records import key_of
from mayfly.config.stalled import REFUSALS
from mayfly.dispatch.gather import READ_LEDGER
from mayfly.dispatch.opened import LOOK_AHEAD
from mayfly.provision.retire import YIELDED
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Launch
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE, TYPES, a_job
from tests.unit.world import World, a_warm_world, a_world

C, S = ClaimState, InstanceState
PLACES = 5 + LOOK_AHEAD
POWER_OFF = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
DEAD, LIVE = ((f"queue={QUEUE}", f"instance-type={name}") for name in TYPES)


def claimed(world: World, *states: ClaimState) -> set[str]:
    """Jobs with a claim in these states."""
    return {claim.job for claim in world.fleet.all(Claim) if claim.state in states}


def a_hopeless_world(jobs: int = 20, /, **parameters: str) -> World:
    """A world of five instances at most, and more jobs of a type that EC2 has refused twice."""
    world = a_world(**{"limits/max-instances": "5", **parameters})
    world.machines.capacity = {("on-demand", TYPES[0]): 0}
    world.schedule(*[f"dead-{n:02}" for n in range(jobs)], rules=DEAD)
    for _ in range(4):
        world.dispatch()
        world.provision()
        world.after(seconds=6)
    return world


def seconds_until_bound(world: World, *jobs: str, at_most: int) -> float:
    """Seconds until all of these jobs have an instance, by ticks of two seconds."""
    start = world.clock.now
    for _ in range(0, at_most, 2):
        world.dispatch()
        world.provision()
        world.make_ready()
        world.dispatch()
        if claimed(world, C.ASSIGNED) >= set(jobs):
            break
        world.after(seconds=2)
    assert claimed(world, C.ASSIGNED) >= set(jobs)
    return (world.clock.now - start).total_seconds()


def test_jobs_that_ec2_refuses_hold_up_neither_a_normal_nor_an_urgent_job() -> None:
    world = a_hopeless_world()
    world.schedule("normal", rules=LIVE)
    world.schedule("urgent", rules=LIVE, priority=100)
    assert seconds_until_bound(world, "normal", "urgent", at_most=10) <= READ_LEDGER.total_seconds()


def test_jobs_of_a_braked_shape_hold_up_no_other_job() -> None:
    world = a_world(**{"limits/max-instances": "5"})
    world.schedule(*[f"dead-{n:02}" for n in range(20)], rules=DEAD)
    world.dispatch()
    world.provision()
    world.machines.settle()
    for instance in world.instances(S.LAUNCHING):
        world.machines.end(str(instance.instance_id), POWER_OFF)
    world.reap()
    world.provision()
    assert len(claimed(world, C.WAITING)) == PLACES
    world.schedule("normal", rules=LIVE)
    assert seconds_until_bound(world, "normal", at_most=10) <= READ_LEDGER.total_seconds()


def test_jobs_that_ec2_refuses_take_no_launch_of_the_minute_from_others() -> None:
    world = a_hopeless_world(20, **{"limits/max-launches-per-minute": "5"})
    world.schedule("normal", rules=LIVE)
    assert seconds_until_bound(world, "normal", at_most=10) <= READ_LEDGER.total_seconds()


def test_jobs_of_a_stalled_shape_hold_places_against_each_other() -> None:
    world = a_hopeless_world()
    for _ in range(10):
        world.dispatch()
        world.after(seconds=6)
    assert len(claimed(world, C.WAITING)) == PLACES


def test_jobs_of_a_stalled_shape_run_once_ec2_has_capacity() -> None:
    world = a_hopeless_world(3)
    world.machines.capacity = {}
    assert seconds_until_bound(world, "dead-00", "dead-01", "dead-02", at_most=120) <= 60


def test_jobs_of_a_shape_that_ec2_has_again_hold_places_against_others() -> None:
    world = a_hopeless_world()
    for number in range(PLACES, 20):
        world.buildkite.cancel(f"dead-{number:02}")
    world.machines.capacity = {}
    world.after(1).provision()
    world.make_ready()
    world.dispatch()
    world.schedule(*[f"normal-{number}" for number in range(8)], rules=LIVE)
    world.dispatch()
    assert len(claimed(world, C.ASSIGNED)) == 5
    assert len(claimed(world, C.WAITING)) == LOOK_AHEAD


def test_a_more_urgent_job_is_opened_in_a_full_queue_and_an_equal_one_is_not() -> None:
    world = a_world(**{"limits/max-instances": "5"})
    world.schedule(*[f"job-{n:02}" for n in range(PLACES)])
    world.dispatch()
    world.schedule("equal")
    world.schedule("urgent", priority=1)
    world.dispatch()
    assert claimed(world, C.WAITING) == {"urgent", *(f"job-{n:02}" for n in range(PLACES))}
    world.provision()
    world.make_ready()
    world.dispatch()
    assert "urgent" in claimed(world, C.ASSIGNED)


def test_urgent_jobs_are_opened_up_to_the_places_of_their_priority() -> None:
    world = a_world(**{"limits/max-instances": "5"})
    for priority in (0, 1, 2):
        world.schedule(*[f"job-{priority}-{n:02}" for n in range(2 * PLACES)], priority=priority)
        world.dispatch()
    assert len(claimed(world, C.WAITING)) == 3 * PLACES


@pytest.mark.parametrize(("jobs", "reads"), [(PLACES + 1, 3), (PLACES, 0)], ids=["full", "not"])
def test_the_ledger_is_read_every_five_seconds_only_while_jobs_find_no_place(
    jobs: int, reads: int
) -> None:
    world = a_world(**{"limits/max-instances": "5"})
    world.schedule(*[f"job-{n:02}" for n in range(jobs)])
    world.dispatch()
    world.fleet.calls.clear()
    for _ in range(100):
        world.after(seconds=0.14)
        world.dispatch()
    assert world.fleet.calls["ledger"] == reads


def test_a_ledger_that_cannot_be_read_is_asked_for_no_more_often() -> None:
    world = a_world(**{"limits/max-instances": "5"})
    world.schedule(*[f"job-{n:02}" for n in range(PLACES + 1)])
    world.dispatch()
    world.fleet.unreadable.add(key_of(Ledger, QUEUE))
    world.fleet.calls.clear()
    for _ in range(100):
        world.after(seconds=0.14)
        world.dispatch(wide=False)
    assert world.fleet.calls["ledger"] == 3
    world.fleet.unreadable.clear()


def test_new_jobs_of_a_stalled_shape_take_no_place_from_others_of_the_same_list() -> None:
    world = a_hopeless_world(PLACES + 1)
    world.schedule(*[f"urgent-{n:02}" for n in range(PLACES)], rules=DEAD, priority=1)
    world.schedule(*[f"normal-{n:02}" for n in range(PLACES)], rules=LIVE)
    world.dispatch()
    opened = claimed(world, C.WAITING)
    assert len([job for job in opened if job.startswith("urgent")]) == PLACES
    assert len([job for job in opened if job.startswith("normal")]) == PLACES


def test_a_limit_below_the_instances_in_use_leaves_the_jobs_ahead() -> None:
    world = a_warm_world(4)
    world.schedule(*[f"job-{n}" for n in range(4)])
    world.dispatch()
    assert len(claimed(world, C.ASSIGNED)) == 4
    world.configure(**{"limits/max-instances": "1", "pool/hot": "0"})
    world.provision()
    world.schedule(*[f"more-{n:02}" for n in range(2 * LOOK_AHEAD)])
    world.dispatch()
    assert len(claimed(world, C.WAITING)) == LOOK_AHEAD


def test_slots_that_ec2_does_not_fill_are_no_launches_of_the_minute() -> None:
    world = a_hopeless_world()
    assert sum(launch.slots for launch in world.fleet.all(Launch)) > 5
    assert sum(slots for _, slots in world.ledger().recent) == 0
    assert world.ledger().recent[-1][0] > world.clock.now - timedelta(minutes=1)


def a_full_pool(**parameters: str) -> World:
    """A world in which a hot pool of five takes every place of its queue."""
    return a_warm_world(5, **{"limits/max-instances": "5", **parameters})


def test_a_pool_that_fills_its_queue_yields_to_a_job_that_it_cannot_serve() -> None:
    world = a_full_pool()
    world.schedule("job-1", rules=LIVE)
    world.dispatch()
    world.provision()
    (yielded,) = world.instances(S.CONDEMNED)
    assert yielded.reason == YIELDED
    world.provision()
    assert len(world.instances(S.READY)) == 4
    world.reap()
    world.machines.settle()
    world.reap()
    assert seconds_until_bound(world, "job-1", at_most=10) <= READ_LEDGER.total_seconds()
    world.provision()
    assert len(world.instances(S.READY)) == 4


def test_a_pool_of_spot_instances_yields_to_a_retry_that_must_run_on_demand() -> None:
    world = a_full_pool(**{"launch/purchase": "spot-first-attempt"})
    retry = a_job("job-1", runnable_at=world.clock.now)
    world.buildkite.schedule(QUEUE, retry, {"BUILDKITE_RETRY_COUNT": "1"})
    world.dispatch()
    world.provision()
    assert len(world.instances(S.CONDEMNED)) == 1


def test_a_pool_yields_no_place_to_jobs_that_get_no_instance_in_it() -> None:
    world = a_full_pool()
    world.machines.capacity = {("on-demand", TYPES[1]): 0}
    world.schedule("job-1", rules=LIVE)
    for _ in range(30):
        world.dispatch()
        world.provision()
        world.make_ready()
        world.reap()
        world.machines.settle()
        world.after(seconds=10)
    assert len(world.instances(S.READY)) == 5
    assert len(world.machines.machines) <= 5 + REFUSALS


def test_a_pool_that_can_serve_the_waiting_jobs_yields_no_place() -> None:
    world = a_full_pool()
    world.schedule(*[f"job-{n}" for n in range(8)])
    world.dispatch()
    world.provision()
    assert world.instances(S.CONDEMNED) == []
