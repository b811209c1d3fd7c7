"""Ticks against the fakes: instances that nobody needs any more go at once, and nobody minds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.provision import tick as provision
from mayfly.records.changes import Save
from mayfly.records.states import InstanceState
from mayfly.tick.outcome import Outcome
from tests.unit.world import World, wanting

S = InstanceState


def a_launched_world(*jobs: str, **parameters: str) -> World:
    """A world in which every job's instance is launched, half a minute ago."""
    world = wanting(*jobs, **parameters)
    for _ in jobs:
        world.dispatch()
        world.provision()
    world.machines.settle()
    return world.after(seconds=30)


def nudged(world: World) -> Outcome:
    """A tick of provision as its nudge brings it: the queue's records are not read from SSM."""
    return provision.tick(world.provision_ports, world.edge, nudged=True)


def test_after_a_mass_cancel_every_surplus_instance_is_terminated_without_waiting() -> None:
    jobs = [f"job-{n:02}" for n in range(50)]
    world = a_launched_world(*jobs)
    assert len(world.instances(S.LAUNCHING)) == 50
    for job in jobs:
        world.buildkite.cancel(job)
    world.nudges.sent.clear()
    world.dispatch()
    assert world.nudges.sent == ["jobs wait no more"]
    nudged(world)
    assert world.reap_nudges.sent == ["50 instances are condemned"]
    world.reap()
    assert {m.seen.state for m in world.machines.machines.values()} == {"shutting-down"}
    world.machines.settle()
    world.reap()
    assert world.ledger().live == 0


def test_a_lowered_limit_ends_what_boots_beyond_it_within_the_tick() -> None:
    world = a_launched_world(*[f"job-{n:02}" for n in range(40)])
    world.make_ready()
    world.dispatch()
    bound = {i.key for i in world.instances(S.ASSIGNED)}
    assert len(bound) == 40
    world.schedule(*[f"late-{n}" for n in range(10)])
    world.dispatch()
    world.configure(**{"limits/max-instances": "50"})
    world.provision()
    world.machines.settle()
    assert len(world.instances(S.LAUNCHING)) == 10
    world.configure(**{"limits/max-instances": "43"})
    world.provision()
    assert len(world.instances(S.LAUNCHING)) == 3
    assert {i.key for i in world.instances(S.ASSIGNED)} == bound
    reasons = {i.reason for i in world.instances(S.CONDEMNED)}
    assert reasons == {"limits/max-instances is 43 now, and the instance is beyond it"}
    for _ in range(3):
        world.reap()
        world.machines.settle()
        world.after(seconds=10).dispatch()
        world.provision()
    assert world.ledger().live == 43
    assert world.ledger().brakes == {}
    assert len(world.instances(S.LAUNCHING)) == 3


def test_jobs_that_still_wait_keep_their_instances_when_others_are_cancelled() -> None:
    world = a_launched_world("job-1", "job-2", "job-3")
    world.buildkite.cancel("job-2")
    world.dispatch()
    nudged(world)
    assert len(world.instances(S.CONDEMNED)) == 1
    assert len(world.instances(S.LAUNCHING)) == 2


def test_jobs_that_came_lately_keep_as_many_instances_for_the_next() -> None:
    world = a_launched_world("job-1", "job-2")
    first, second = world.instances()
    world.report(first, "bootstrapped")
    world.sandbox()
    world.sandbox()
    world.machines.settle()
    world.report(first, "sandboxed")
    world.sandbox()
    world.dispatch()
    world.buildkite.cancel("job-2")
    world.dispatch()
    nudged(world)
    assert [world.fleet.slots([i.key])[0].state for i in (first, second)] == [
        S.ASSIGNED,
        S.LAUNCHING,
    ]
    world.accept("job-1")
    world.after(2).dispatch()
    world.after(2.5)
    nudged(world)
    assert world.fleet.slots([second.key])[0].state is S.CONDEMNED


def test_waiting_jobs_of_another_shape_hide_no_job_that_came_lately() -> None:
    world = a_launched_world("job-1", "job-2", **{"limits/max-launches-per-minute": "2"})
    first, second = world.instances()
    world.report(first, "bootstrapped")
    world.sandbox()
    world.sandbox()
    world.machines.settle()
    world.report(first, "sandboxed")
    world.sandbox()
    world.dispatch()
    world.buildkite.cancel("job-2")
    world.schedule("other-1", "other-2", rules=("instance-type=m6i.large",))
    world.dispatch()
    nudged(world)
    states = [world.fleet.slots([i.key])[0].state for i in (first, second)]
    assert states == [S.ASSIGNED, S.LAUNCHING]


def test_claims_with_an_instance_are_read_only_while_instances_may_be_spare() -> None:
    world = a_launched_world("job-1", "job-2")
    before = world.fleet.calls["claims"]
    nudged(world)
    assert world.fleet.calls["claims"] == before + 1
    world.buildkite.cancel("job-1")
    world.dispatch()
    before = world.fleet.calls["claims"]
    nudged(world)
    assert world.fleet.calls["claims"] == before + 2


@pytest.mark.parametrize("keep", ["0", "60"])
def test_a_retired_boot_is_no_failure_and_is_not_kept_for_a_look(keep: str) -> None:
    world = a_launched_world("job-1", **{"debug/keep-failed-minutes": keep})
    world.buildkite.cancel("job-1")
    world.dispatch()
    nudged(world)
    world.reap()
    world.machines.settle()
    world.reap()
    assert world.instance().state is S.TERMINATED
    assert world.words.kept == {}
    assert world.ledger().boots == ()
    assert world.ledger().brakes == {}


def test_a_retired_instance_that_became_ready_first_stays() -> None:
    world = a_launched_world("job-1")
    world.buildkite.cancel("job-1")
    world.dispatch()
    (instance,) = world.instances()
    racing = world.fleet.instances

    def after_a_change(queue: str, states: object) -> object:
        found = racing(queue, states)  # type: ignore[arg-type] # passed on
        world.fleet.write([Save(instance)])
        return found

    vars(world.fleet)["instances"] = after_a_change
    assert nudged(world).lost_races == 1
    assert world.instance().state is S.LAUNCHING


def test_an_idle_instance_goes_after_the_queues_own_grace() -> None:
    world = a_launched_world("job-1", **{"pool/grace-minutes": "1"})
    world.make_ready()
    world.buildkite.cancel("job-1")
    world.dispatch()
    world.after(seconds=59)
    nudged(world)
    assert world.instance().state is S.READY
    world.clock.now += timedelta(seconds=1)
    nudged(world)
    assert world.instance().state is S.CONDEMNED
