"""An invocation of reap looks again at hosts that do not take their job, when they are overdue."""

from __future__ import annotations

from datetime import timedelta

from mayfly.reap.loop import reap_and_look_again
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.edge import Edge
from tests.unit.world import World, a_warm_world, ec2_state, running

S = InstanceState


def assigned(seconds_ago: float) -> World:
    """A world whose only host was given job-1 this long ago and has said nothing since."""
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    return world.after(seconds=seconds_ago)


def test_a_dead_host_with_a_job_is_terminated_within_the_minute_in_which_it_is_overdue() -> None:
    world = assigned(5)
    began = world.clock.now
    reap_and_look_again(world.reap_ports, world.edge)
    assert world.clock.now - began == timedelta(seconds=41)
    assert ec2_state(world) == "shutting-down"
    reason = (
        "the instance was assigned for longer than 45 seconds, "
        "and its host has not reported that the agent runs"
    )
    assert world.instance().reason == reason


def test_the_job_of_a_dead_host_waits_again_when_the_host_is_gone() -> None:
    world = assigned(5)
    reap_and_look_again(world.reap_ports, world.edge)
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED
    world.machines.settle()
    world.reap()
    world.dispatch()
    claim = world.claim("job-1")
    assert (claim.state, claim.attempt) == (ClaimState.WAITING, 2)
    assert "its host has not reported that the agent runs" in claim.reason


def test_a_host_that_takes_its_job_meanwhile_is_left_alone() -> None:
    world = assigned(5)

    def sleep(seconds: float) -> None:
        world.after(seconds=seconds)
        world.report(world.instance(), "running")

    edge = Edge(world.clock, sleep, world.edge.stop_at)
    assert not reap_and_look_again(world.reap_ports, edge).changed
    assert world.instance().state is S.ASSIGNED
    assert ec2_state(world) == "running"


def test_a_host_whose_job_was_accepted_meanwhile_is_left_alone() -> None:
    world = assigned(5)

    def sleep(seconds: float) -> None:
        world.after(seconds=seconds)
        world.accept("job-1")
        world.dispatch()

    reap_and_look_again(world.reap_ports, Edge(world.clock, sleep, world.edge.stop_at))
    assert world.instance().state is S.RUNNING
    assert ec2_state(world) == "running"


def test_reap_does_not_stay_for_hosts_that_run_their_agent_or_have_no_job() -> None:
    for world in (running(), a_warm_world()):
        began = world.clock.now
        reap_and_look_again(world.reap_ports, world.edge)
        assert world.clock.now == began


def test_a_host_that_is_overdue_after_the_invocation_is_left_to_the_next_tick() -> None:
    world = assigned(1)
    began = world.clock.now
    edge = Edge(world.clock, world.clock.sleep, began + timedelta(seconds=30))
    reap_and_look_again(world.reap_ports, edge)
    assert world.clock.now == began
    world.after(1).reap()
    assert world.instance().state is S.CONDEMNED
