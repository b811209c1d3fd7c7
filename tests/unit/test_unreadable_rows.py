"""Ticks go on beside a row that cannot be read, and decide nothing about its record."""

from __future__ import annotations

from mayfly.adapters.dynamodb.records import key, key_of
from mayfly.errors import Transient
from mayfly.events import StateChanged
from mayfly.provision.refresh import refresh
from mayfly.reap import tick as reap
from mayfly.records.model import Claim, Launch, QueueRecord
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from mayfly.tick.outcome import Outcome
from tests.unit.builders import QUEUE, TYPES
from tests.unit.world import World, a_warm_world, a_world, ec2_state, launched

C = ClaimState
S = InstanceState


def test_a_claim_with_an_unreadable_instance_is_neither_retried_nor_released() -> None:
    world = a_warm_world(2)
    world.schedule("job-1")
    world.dispatch()
    (bound,) = world.instances(S.ASSIGNED)
    world.fleet.unreadable.add(key(bound))
    world.schedule("job-2")
    world.after(6).dispatch()  # the token of job-1 has expired
    assert (world.claim("job-1").state, world.claim("job-1").attempt) == (C.ASSIGNED, 1)
    assert world.claim("job-2").state is C.ASSIGNED


def test_a_listed_job_with_an_unreadable_claim_is_not_opened_and_the_others_are() -> None:
    world = a_world()
    world.schedule("job-1", "job-2")
    world.fleet.unreadable.add(key_of(Claim, "job-1"))
    world.dispatch()
    world.dispatch()
    assert [claim.job for claim in world.fleet.all(Claim)] == ["job-2"]


def test_a_launch_with_an_unreadable_slot_stays_open_and_the_queue_launches_on() -> None:
    world = a_world()
    world.schedule("job-1")
    world.dispatch()
    world.machines.fail_next("create_fleet", Transient("no answer"), done=True)
    world.provision()
    (slot,) = world.instances()
    world.fleet.unreadable.add(key(slot))
    world.schedule("job-2")
    world.dispatch()
    world.after(seconds=90).provision()
    launches = {launch.id: launch.state for launch in world.fleet.all(Launch)}
    assert launches.pop(slot.key.launch) is LaunchState.OPEN
    assert list(launches.values()) == [LaunchState.SETTLED]


def test_an_instance_with_an_unreadable_record_is_no_stray_and_others_are_reaped() -> None:
    world = a_warm_world(2)
    first, second = world.instances()
    world.fleet.unreadable.add(key(first))
    world.machines.end(str(second.instance_id), "Server.InternalError")
    for _ in range(4):
        world.reap()
        world.after(2)
    world.fleet.unreadable.clear()
    assert world.machines.machines[str(first.instance_id)].seen.state == "running"
    assert [i.state for i in world.instances() if i.key == second.key] == [S.TERMINATED]


def test_a_running_job_with_an_unreadable_instance_keeps_its_claim() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.dispatch()
    world.fleet.unreadable.add(key(world.instance()))
    world.reap()
    world.after(2).reap()
    assert world.claim("job-1").state is C.RUNNING
    world.fleet.unreadable.clear()
    assert ec2_state(world) == "running"


def two_queues() -> World:
    world = a_world()
    world.publish("other")
    world.provision()
    return world


def test_a_queue_with_an_unreadable_record_does_not_keep_the_others_from_their_parameters() -> None:
    world = two_queues()
    world.fleet.unreadable.add(key_of(QueueRecord, QUEUE))
    world.configure("other", **{"pool/hot": "1"})
    outcome = Outcome()
    assert [record.queue for record in refresh(world.provision_ports, outcome)] == ["other"]
    (problem,) = outcome.problems
    assert f"record of queue {QUEUE}" in problem
    world.provision()
    assert [i.queue for i in world.instances()] == ["other"]


def test_a_state_change_of_an_instance_with_an_unreadable_record_is_a_problem() -> None:
    world = launched()
    instance = world.instance()
    world.fleet.unreadable.add(key(instance))
    change = StateChanged(str(instance.instance_id), "terminated")
    (problem,) = reap.on_state_change(world.reap_ports, change, world.edge).problems
    assert "is not a readable Instance" in problem


def test_instances_of_a_launch_with_an_unreadable_slot_are_no_strays_and_others_are_reaped() -> (
    None
):
    world = a_warm_world()
    (ready,) = world.instances()
    world.schedule("job-1", "job-2", rules=(f"instance-type={TYPES[0]}",))
    world.dispatch()
    world.machines.fail_next("create_fleet", Transient("no answer"), done=True)
    world.provision()
    first = min(world.instances(S.REQUESTED), key=lambda instance: instance.key)
    world.fleet.unreadable.add(key(first))
    world.machines.end(str(ready.instance_id), "Server.InternalError")
    for _ in range(4):
        world.reap()
        world.after(2)
    world.fleet.unreadable.clear()
    states = [machine.seen.state for machine in world.machines.machines.values()]
    assert sorted(states) == ["pending", "pending", "terminated"]
    assert [i.state for i in world.instances() if i.key == ready.key] == [S.TERMINATED]
