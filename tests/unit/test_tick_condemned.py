"""Whoever condemns an instance wakes reap, so that its place is free within moments."""

from __future__ import annotations

from mayfly.errors import Conflict
from mayfly.events import SpotWarning
from mayfly.reap import tick as reap
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.world import World, a_warm_world, a_world, ec2_state

C, S = ClaimState, InstanceState
CONDEMNED = "instances of jobs that are not to start there were condemned"


def assigned() -> World:
    """A world with one instance at most, given to `job-1`, which its agent has not accepted."""
    world = a_warm_world(**{"limits/max-instances": "1"})
    world.schedule("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED
    return world


def test_a_job_that_is_cancelled_before_its_start_frees_the_place_of_its_instance_at_once() -> None:
    world = assigned()
    world.buildkite.cancel("job-1")
    world.dispatch()
    assert world.instance().state is S.CONDEMNED
    assert world.reap_nudges.sent == [CONDEMNED]
    world.reap()
    assert ec2_state(world) == "shutting-down"


def test_an_attempt_that_is_over_frees_the_place_of_its_instance_at_once() -> None:
    world = assigned()
    world.after(minutes=7).dispatch()
    assert world.instance().state is S.CONDEMNED
    assert world.reap_nudges.sent == [CONDEMNED]


def test_ticks_of_dispatch_that_condemn_nothing_wake_no_reap() -> None:
    world = assigned()
    world.accept("job-1")
    world.dispatch()
    world.buildkite.end("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.FINISHED
    assert world.reap_nudges.sent == []


def test_a_condemnation_that_could_not_be_written_wakes_no_reap() -> None:
    world = assigned()
    world.buildkite.cancel("job-1")
    world.fleet.fail_next("write", Conflict("another function was first"))
    world.dispatch()
    assert world.reap_nudges.sent == []
    world.dispatch()
    assert world.reap_nudges.sent == [CONDEMNED]


def test_an_idle_spot_instance_that_ec2_takes_back_is_terminated_by_its_warning() -> None:
    world = a_warm_world()
    name = str(world.instance().instance_id)
    reap.on_events(world.reap_ports, [SpotWarning(name, world.clock.now)], world.edge)
    assert world.instance().state is S.CONDEMNED
    assert ec2_state(world) == "shutting-down"


def test_a_boot_that_ec2_takes_back_is_kept_for_the_look_that_its_queue_asks_for() -> None:
    world = a_world(**{"pool/hot": "1", "debug/keep-failed-minutes": "30"})
    world.provision()
    world.machines.settle()
    name = str(world.instance().instance_id)
    reap.on_events(world.reap_ports, [SpotWarning(name, world.clock.now)], world.edge)
    world.reap()
    assert world.instance().state is S.CONDEMNED
    assert ec2_state(world) == "running"
