"""Failures that users of other CI runners have reported in public, tried on this control plane.

Kinds: throttled terminations, scale-in under a job, stale pools, an outage of the scheduler,
bursts, hosts that go down and still count, more instances than jobs, many queues, capacity that is
gone for long, lost events, jobs that another controller holds, jobs that stay `assigned`, pauses
with a pool. A link above a story leads to its report.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from mayfly.dispatch.lease import take
from mayfly.dispatch.view import LastTick
from mayfly.errors import Transient
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE, TYPES
from tests.unit.script import Script
from tests.unit.test_tick_pace import Invocations
from tests.unit.world import World, a_warm_world, a_world, running, wanting

C, S = ClaimState, InstanceState


def states(world: World) -> Counter[InstanceState]:
    return Counter(instance.state for instance in world.instances())


def launched(world: World) -> int:
    """Instances that EC2 ever launched."""
    return len(world.machines.machines)


def waited(world: World, since: datetime) -> timedelta:
    return world.clock.now - since


def reap(world: World) -> None:
    """Terminate, let EC2 end what is terminated, and close."""
    world.reap()
    world.machines.settle()
    world.reap()


# https://github.com/buildkite/buildkite-agent-scaler/issues/340
def test_throttled_terminations_are_repeated_by_each_tick_until_ec2_takes_them() -> None:
    world = running()
    world.report(world.instance(), "done", exit=0)
    world.machines.fail_next("terminate", Transient("RequestLimitExceeded"), times=7)
    for _ in range(10):
        world.reap()
        world.after(1)
    assert world.machines.calls["terminate"] == 7
    reap(world)
    assert world.instance().state is S.TERMINATED
    assert world.ledger().live == 0


# https://github.com/buildkite/elastic-ci-stack-for-aws/issues/1399
# https://github.com/jenkinsci/ec2-fleet-plugin/issues/363
def test_a_smaller_pool_and_a_lower_limit_end_no_instance_with_a_job() -> None:
    world = a_warm_world(3)
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.dispatch()
    world.configure(**{"pool/hot": "0", "limits/max-instances": "1"})
    for _ in range(24):
        world.dispatch()
        world.provision()
        reap(world)
        world.after(seconds=15)
    assert states(world) == {S.RUNNING: 1, S.TERMINATED: 2}
    assert world.claim("job-1").state is C.RUNNING


# https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3746
def test_a_pool_of_an_older_configuration_is_replaced_and_never_short() -> None:
    world = a_warm_world(6)
    old = {instance.spec for instance in world.instances()}
    world.configure(**{"bootstrap/script": "s3://scripts/mayfly/new.sh"})
    for _ in range(6):
        world.provision()
        world.make_ready()
        assert states(world)[S.READY] >= 6
        reap(world)
        world.after(seconds=30)
    ready = [i for i in world.instances(S.READY) if i.spec not in old]
    assert len(ready) == 6
    assert launched(world) == 12


# https://github.com/buildkite/agent-stack-k8s/pull/965
def test_after_half_an_hour_without_dispatch_a_job_runs_within_seconds() -> None:
    world = a_world()
    world.schedule("job-1", "job-2")
    world.dispatch()
    world.provision()
    world.make_ready()
    world.dispatch()
    world.accept("job-1")
    for _ in range(30):
        world.provision()
        world.sandbox()
        reap(world)
        world.after(1)
    assert states(world) == {S.TERMINATED: 2}
    back = world.clock.now
    world.dispatch()
    while world.claim("job-2").state is not C.ASSIGNED:
        world.dispatch()
        world.provision()
        world.make_ready()
        world.after(seconds=2)
        assert waited(world, back) <= timedelta(seconds=10)
    assert world.claim("job-1").state in {C.RUNNING, C.FINISHED}
    assert launched(world) == 3


# https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3130
def test_two_hundred_jobs_have_an_instance_each_within_two_seconds_by_five_calls() -> None:
    limits = {"limits/max-instances": "200", "limits/max-launches-per-minute": "1000"}
    world = a_world(**limits)
    world.schedule(*[f"job-{n:03}" for n in range(200)])
    began = world.clock.now
    while launched(world) < 200:
        world.dispatch()
        Script(world, 50).provision(nudged=True)
        world.after(seconds=0.25)
    assert waited(world, began) <= timedelta(seconds=2)
    assert world.machines.calls["create_fleet"] == 5
    assert world.ledger().live == 200


# https://github.com/buildkite/buildkite-agent-scaler/issues/39
def test_hosts_that_go_down_are_no_supply_for_new_jobs() -> None:
    world = a_warm_world(0)
    world.schedule("old-1", "old-2", "old-3")
    world.dispatch()
    world.provision()
    world.make_ready()
    world.dispatch()
    for job in ("old-1", "old-2", "old-3"):
        world.accept(job)
        world.buildkite.end(job)
    world.dispatch()
    for instance in world.instances():
        world.report(instance, "done", exit=0)
    world.reap()
    assert states(world) == {S.DONE: 3}
    world.schedule("new-1", "new-2", "new-3")
    world.dispatch()
    world.provision()
    assert states(world) == {S.DONE: 3, S.LAUNCHING: 3}


# https://github.com/github-aws-runners/terraform-aws-github-runner/issues/2306
# https://github.com/CloudSnorkel/cdk-github-runners/pull/382
def test_a_job_on_a_hot_instance_costs_one_launch_however_often_provision_is_woken() -> None:
    world = a_warm_world(3)
    world.schedule("job-1")
    world.dispatch()
    for _ in range(10):
        Script(world, 50).provision(nudged=True)
        world.make_ready()
        world.after(seconds=1)
    assert states(world) == {S.ASSIGNED: 1, S.READY: 3}
    assert launched(world) == 4


# https://github.com/buildkite/buildkite-agent-scaler/pull/93
def test_with_forty_queues_a_tick_asks_ec2_as_often_as_with_one() -> None:
    world = World()
    world.configure(**{"pool/hot": "1"})
    for number in range(39):
        world.publish(f"q-{number:02}")
        types = {"launch/instance-types": ",".join(TYPES), "pool/hot": "1"}
        world.configure(f"q-{number:02}", **types)
    world.fence = take(world.fleet, "test", world.clock.now).lease.fence
    Script(world, 50).provision()
    assert launched(world) == 40
    world.machines.calls.clear()
    world.provision()
    world.reap()
    assert world.machines.calls == {"instances": 1}


# https://github.com/github-aws-runners/terraform-aws-github-runner/issues/2925
# https://github.com/runs-on/runs-on/issues/537
def test_a_job_without_capacity_for_long_is_tried_once_a_minute_and_then_runs() -> None:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    run = Invocations(world)
    for minute in range(0, 41, 4):
        run.until(60 * minute)
        world.dispatch()  # It renews the reservation,
        world.dispatch()  # and tells the job's page.
    assert 38 <= len(run.launches()) <= 40 + 5
    assert world.claim("job-1").state is C.WAITING
    world.machines.capacity = {}
    run.until(41 * 60)
    assert run.first_instance() <= 41 * 60
    (note,) = world.buildkite.known["job-1"].notes
    assert note.startswith("Waiting: EC2 has no ")


# https://github.com/actions/actions-runner-controller/issues/2788
def test_a_job_whose_every_event_is_lost_gets_its_instance_by_the_schedule() -> None:
    world = a_world()
    world.nudges.fail_next("send", Transient("lost"), times=9)
    world.schedule("job-1")
    world.dispatch()
    run = Invocations(world)
    run.nudges.clear()
    assert run.until(60).first_instance() <= 60


# A second controller on the queue, as while users move from one to the other.
def test_a_job_that_another_stack_has_reserved_costs_neither_claim_nor_launch() -> None:
    world = a_warm_world(1)
    world.schedule("theirs", "ours")
    theirs = world.buildkite.known["theirs"]
    theirs.state, theirs.reserved_until = "reserved", world.clock.now + timedelta(hours=9)
    for _ in range(5):
        world.dispatch()
        world.after(seconds=1)
    assert {claim.job for claim in world.fleet.all(Claim)} == {"ours"}


# https://github.com/actions/actions-runner-controller/issues/4197
def test_a_job_that_buildkite_calls_assigned_after_its_instance_is_gone_is_let_go() -> None:
    world = a_warm_world(1)
    world.schedule("job-1")
    world.dispatch()
    world.buildkite.known["job-1"].state = "assigned"
    began = world.clock.now
    while world.claim("job-1").open:
        world.dispatch()
        reap(world)
        world.after(1)
    assert waited(world, began) <= timedelta(minutes=63)
    assert "Buildkite says assigned" in world.claim("job-1").reason
    assert "its host has not reported that the agent runs" in world.instance().reason


def test_a_job_that_buildkite_takes_back_from_a_dead_agent_gets_another_instance_at_once() -> None:
    world = a_warm_world(1)
    world.schedule("job-1")
    world.dispatch()
    job = world.buildkite.known["job-1"]
    job.state = "assigned"
    for _ in range(5):
        world.dispatch()
        reap(world)
        world.after(1)
    job.state = "scheduled"
    world.dispatch()
    assert (world.claim("job-1").state, world.claim("job-1").attempt) == (C.WAITING, 2)


# https://github.com/pepperize/cdk-autoscaling-gitlab-runner/issues/818
def test_a_paused_queue_keeps_no_pool_and_has_it_again_after_the_pause() -> None:
    world = a_warm_world(4)
    world.configure(paused="true")
    began = world.clock.now
    while world.ledger().live:
        world.provision()
        reap(world)
        world.after(seconds=30)
    assert waited(world, began) <= timedelta(minutes=6)
    world.configure(paused="false")
    world.provision()
    assert states(world)[S.LAUNCHING] == 4


def test_a_queue_that_is_removed_at_buildkite_is_a_problem_by_its_name_each_tick() -> None:
    world = a_warm_world(1)
    del world.buildkite.queues[QUEUE]
    for _ in range(3):
        world.seen = dict.fromkeys(world.seen, LastTick())
        assert world.dispatch().problems == [
            f"Buildkite does not know queue {QUEUE} in this token's cluster"
        ]
        world.after(1)
    assert states(world) == {S.READY: 1}
