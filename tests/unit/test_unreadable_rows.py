"""Ticks go on beside a row that cannot be read, and decide nothing about its record."""

from __future__ import annotations

from mayfly.adapters.dynamodb.records import key, key_of
from mayfly.errors import Transient
from mayfly.events import StateChanged
from mayfly.provision.refresh import refresh
from mayfly.reap import tick as reap
from mayfly.reap.actions import TerminateInstances
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Launch, QueueRecord
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from mayfly.tick.outcome import Outcome
from tests.unit.builders import QUEUE, TYPES
from tests.unit.world import World, a_warm_world, a_world, ec2_state, launched, running

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
    assert [
        record.queue for record in refresh(world.provision_ports, outcome, world.clock.now)[0]
    ] == ["other"]
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
    name = instance.instance_id
    assert problem == f"nothing is decided about {name}: its record cannot be read"
    world.fleet.unreadable.clear()
    assert world.instance().state is S.LAUNCHING


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


# -- a host with a job whose rows cannot be read: unknown is not finished --------------------------


def test_a_host_outlives_an_unreadable_claim_of_its_job_up_to_the_jobs_limit() -> None:
    world = running()
    world.fleet.unreadable.add(key_of(Claim, "job-1"))
    for _ in range(12):
        world.dispatch()
        world.reap()
        world.after(60)
    assert (world.instance().state, ec2_state(world)) == (S.RUNNING, "running")
    world.after(31).reap()
    assert world.instance().state is S.CONDEMNED
    assert world.instance().reason == "the instance was running for longer than 750 minutes"


def test_an_assigned_host_with_an_unreadable_claim_lives_while_it_reports_its_agent() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.report(world.instance(), "running")
    world.fleet.unreadable.add(key_of(Claim, "job-1"))
    for _ in range(12):
        world.reap()
        world.after(60)
    assert (world.instance().state, ec2_state(world)) == (S.ASSIGNED, "running")
    world.after(31).reap()
    assert world.instance().state is S.CONDEMNED


def test_a_claim_that_can_be_read_again_ends_with_the_host_that_ended_meanwhile() -> None:
    world = running()
    world.fleet.unreadable.add(key_of(Claim, "job-1"))
    world.machines.end(str(world.instance().instance_id), "Server.InternalError")
    world.reap()
    assert world.instance().state is S.TERMINATED
    world.fleet.unreadable.clear()
    world.after(1).reap()
    assert world.claim("job-1").state is C.FINISHED
    assert world.claim("job-1").reason.startswith("instance i-")


def test_a_host_with_a_job_outlives_an_unreadable_record_of_its_queue() -> None:
    world = running()
    world.fleet.unreadable.add(key_of(QueueRecord, QUEUE))
    for _ in range(12):
        world.provision()
        world.sandbox()
        world.reap()
        world.after(60)
    assert (world.instance().state, ec2_state(world)) == (S.RUNNING, "running")
    world.after(31).reap()
    assert world.instance().state is S.CONDEMNED


def test_a_host_that_ends_beside_an_unreadable_record_of_its_queue_ends_its_job() -> None:
    world = running()
    world.fleet.unreadable.add(key_of(QueueRecord, QUEUE))
    world.report(world.instance(), "done", exit=0)
    world.reap()
    assert world.instance().state is S.DONE
    world.after(3).reap()
    assert ec2_state(world) == "shutting-down"
    world.machines.settle()
    world.fleet.unreadable.clear()
    for _ in range(2):
        world.after(1).reap()
    assert world.instance().state is S.TERMINATED
    assert world.claim("job-1").state is C.FINISHED


def test_a_host_with_a_job_outlives_an_unreadable_ledger() -> None:
    world = running()
    world.fleet.unreadable.add(key_of(Ledger, QUEUE))
    for _ in range(12):
        world.dispatch()
        world.provision()
        world.sandbox()
        world.reap()
        world.after(60)
    assert (world.instance().state, ec2_state(world)) == (S.RUNNING, "running")


# -- a ledger that cannot be read ------------------------------------------------------------------


def test_a_queue_with_an_unreadable_ledger_launches_nothing_and_says_why_and_others_launch() -> (
    None
):
    world = two_queues()
    world.fleet.unreadable.add(key_of(Ledger, QUEUE))
    for queue in (QUEUE, "other"):
        world.configure(queue, **{"pool/hot": "1"})
    problems = world.provision().problems
    assert any("is not a readable Ledger" in line and QUEUE in line for line in problems)
    assert [i.queue for i in world.instances()] == ["other"]
    world.fleet.unreadable.clear()
    world.provision()
    assert sorted(i.queue for i in world.instances()) == sorted([QUEUE, "other"])


def test_hosts_become_ready_beside_an_unreadable_ledger() -> None:
    world = a_world(**{"pool/hot": "2"})
    world.provision()
    world.fleet.unreadable.add(key_of(Ledger, QUEUE))
    world.make_ready()
    assert [i.state for i in world.instances()] == [S.READY, S.READY]


def test_jobs_are_bound_beside_an_unreadable_ledger() -> None:
    world = a_world()
    world.schedule("job-1", "job-2")
    world.dispatch()
    world.provision()
    world.after(1).dispatch()
    world.make_ready()
    world.fleet.unreadable.add(key_of(Ledger, QUEUE))
    world.after(seconds=30).dispatch()
    assert {world.claim(job).state for job in ("job-1", "job-2")} == {C.ASSIGNED}


# -- an instance that cannot be read ---------------------------------------------------------------


def test_reap_goes_on_beside_an_open_launch_with_an_unreadable_slot() -> None:
    world = a_warm_world()
    world.schedule("job-1", "job-2")
    world.dispatch()
    world.machines.fail_next("create_fleet", Transient("no answer"), done=True)
    world.provision()
    slot = world.instances(S.REQUESTED)[0]
    (busy,) = world.instances(S.ASSIGNED)
    world.fleet.unreadable.add(key(slot))
    world.machines.end(str(busy.instance_id), "Server.InternalError")
    for _ in range(3):
        assert not world.reap().problems
        world.after(2)
    ended = world.fleet.instance(busy.key)
    assert ended is not None
    assert ended.state is S.TERMINATED
    lost = [m.seen for m in world.machines.machines.values() if m.seen.launch == slot.key.launch]
    assert [each.state for each in lost] == ["pending", "pending"]


def test_a_host_with_an_unreadable_record_is_left_alone_but_not_for_ever() -> None:
    world = running()
    instance = world.instance()
    world.fleet.unreadable.add(key(instance))
    for _ in range(16):
        world.reap()
        world.after(24 * 60)
    assert ec2_state(world) == "running"
    outcome = world.after(1).reap()
    assert ec2_state(world) == "shutting-down"
    assert outcome.done[TerminateInstances] == 1
    world.machines.settle()
    world.fleet.unreadable.clear()
    world.after(1).reap()
    assert (world.instance().state, world.claim("job-1").state) == (S.TERMINATED, C.FINISHED)
