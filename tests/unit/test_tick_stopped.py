"""Ticks: the way of an instance through the stopped pool, with hosts that behave as ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mayfly.errors import Misconfigured, NotFound, Transient
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_protocol.rows import start_row
from tests.unit import invariants
from tests.unit.builders import BOOTSTRAP, QUEUE, SANDBOX, TYPES, a_job
from tests.unit.hosts import Hosts
from tests.unit.world import World, a_world

S = InstanceState
POOL = {"pool/stopped": "1", "pool/grace-minutes": "0"}


def run(world: World, hosts: Hosts, rounds: int = 12, seconds: float = 2) -> None:
    for _ in range(rounds):
        world.tick()
        hosts.step()
        invariants.always(world, hosts)
        world.after(seconds=seconds)
    world.tick()


def with_a_pool(stopped: int = 1, **parameters: str) -> tuple[World, Hosts]:
    """A world whose stopped pool is full."""
    world = a_world(**{**POOL, "pool/stopped": str(stopped), **parameters})
    hosts = Hosts(world)
    run(world, hosts)
    assert len(world.instances(S.STOPPED)) == stopped, [i.history for i in world.instances()]
    return world, hosts


def schedule(world: World, name: str = "job-1") -> None:
    world.buildkite.schedule(QUEUE, a_job(name, runnable_at=world.clock.now))


def states(world: World) -> dict[str, str]:
    return {str(i.instance_id): str(i.state) for i in world.instances()}


def test_the_pool_is_filled_with_instances_that_were_proven_and_stopped() -> None:
    world, _ = with_a_pool(2)
    for instance in world.instances(S.STOPPED):
        assert instance.proven
        assert [s.state for s in instance.history][-3:] == ["ready", "stopping", "stopped"]
        assert world.machines.machines[str(instance.instance_id)].seen.state == "stopped"
        assert world.machines.machines[str(instance.instance_id)].association.profile == SANDBOX


def test_a_job_starts_a_stopped_instance_runs_there_and_the_pool_is_filled_again() -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    schedule(world)
    run(world, hosts, rounds=20)
    assert hosts.ran == {"job-1": 1}
    assert hosts.served == {stopped.instance_id: {"job-1"}}
    used = world.fleet.instance(stopped.key)
    assert used is not None
    assert used.starts == 1
    assert used.boot == f"boot-{stopped.instance_id}-1"
    (refilled,) = world.instances(S.STOPPED)
    assert refilled.instance_id != stopped.instance_id


def test_the_hot_pool_takes_stopped_instances_before_launches() -> None:
    world, hosts = with_a_pool(2)
    before = set(states(world))
    world.configure(**{"pool/hot": "1", "pool/stopped": "2", "pool/grace-minutes": "0"})
    run(world, hosts)
    (hot,) = world.instances(S.READY)
    assert hot.instance_id in before
    assert len(world.instances(S.STOPPED)) == 2


def test_a_start_without_capacity_falls_back_to_a_launch_and_says_so() -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    place = ("on-demand", TYPES[0])
    world.machines.capacity = {place: 0}
    schedule(world)
    run(world, hosts)
    assert hosts.ran == {"job-1": 1}
    assert str(stopped.instance_id) not in hosts.served
    kept = world.fleet.instance(stopped.key)
    assert kept is not None
    assert kept.state is S.STOPPED
    assert "InsufficientInstanceCapacity" in kept.reason
    world.machines.capacity = {}
    world.after(minutes=6)
    schedule(world, "job-2")
    run(world, hosts)
    assert "job-2" in hosts.ran


@pytest.mark.parametrize("profile", [BOOTSTRAP, "arn:aws:iam::1:instance-profile/admin"])
def test_a_stopped_instance_with_another_profile_is_terminated_and_never_started(
    profile: str,
) -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    world.machines.give(str(stopped.instance_id), profile)
    schedule(world)
    run(world, hosts)
    assert str(stopped.instance_id) not in hosts.served
    assert hosts.ran == {"job-1": 1}
    assert world.machines.calls["start"] == 0
    gone = world.fleet.instance(stopped.key)
    assert gone is not None
    assert gone.state is S.TERMINATED
    assert profile in gone.reason
    assert start_row(str(stopped.sandbox_row)) not in world.mailbox.rows


def test_a_profile_that_is_given_back_after_the_start_ends_the_instance() -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    schedule(world)
    world.tick()
    world.machines.give(str(stopped.instance_id), BOOTSTRAP)
    run(world, hosts)
    assert str(stopped.instance_id) not in hosts.served
    gone = world.fleet.instance(stopped.key)
    assert gone is not None
    assert gone.state is S.TERMINATED
    assert hosts.ran == {"job-1": 1}


def test_a_stopped_instance_that_a_person_starts_is_ended() -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    world.machines.start([str(stopped.instance_id)])
    run(world, hosts)
    gone = world.fleet.instance(stopped.key)
    assert gone is not None
    assert gone.state is S.TERMINATED
    assert len(world.instances(S.STOPPED)) == 1


def test_a_stopped_instance_that_vanishes_is_replaced() -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    world.machines.end(str(stopped.instance_id), "Server.InternalError")
    run(world, hosts)
    (other,) = world.instances(S.STOPPED)
    assert other.instance_id != stopped.instance_id


def test_a_changed_configuration_replaces_stopped_instances_and_the_pool_stays() -> None:
    world, hosts = with_a_pool(3)
    before = {i.instance_id for i in world.instances(S.STOPPED)}
    script = {"bootstrap/script": "s3://scripts/mayfly/x.sh"}
    world.configure(**{"pool/stopped": "3", "pool/grace-minutes": "0", **script})
    for _ in range(60):
        run(world, hosts, rounds=1)
        assert len(world.instances(S.STOPPED, S.STOPPING)) >= 1
    after = {i.instance_id for i in world.instances(S.STOPPED)}
    assert len(after) == 3
    assert not after & before


def test_an_old_stopped_instance_is_replaced() -> None:
    world, hosts = with_a_pool(1, **{"pool/max-stopped-hours": "2"})
    (old,) = world.instances(S.STOPPED)
    world.after(minutes=121)
    run(world, hosts, rounds=25)
    (new,) = world.instances(S.STOPPED)
    assert new.instance_id != old.instance_id


def test_a_lowered_pool_and_a_lowered_limit_end_stopped_instances() -> None:
    world, hosts = with_a_pool(3)
    world.configure(**{"pool/stopped": "1"})
    run(world, hosts)
    assert len(world.instances(S.STOPPED)) == 1
    world, hosts = with_a_pool(3, **{"limits/max-instances": "3"})
    world.configure(**{"pool/stopped": "1", "limits/max-instances": "1"})
    for _ in range(3):
        world.tick()
        hosts.step()
    run(world, hosts)
    assert list(states(world).values()).count("stopped") == 1


def test_a_paused_queue_keeps_its_stopped_instances_and_starts_none() -> None:
    world, hosts = with_a_pool(2)
    world.configure(**{"pool/stopped": "2", "pool/hot": "1", "paused": "true"})
    schedule(world)
    run(world, hosts)
    assert len(world.instances(S.STOPPED)) == 2
    assert world.machines.calls["start"] == 0


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("call", ["stop", "start"])
def test_a_lost_answer_is_made_good(call: str, done: bool) -> None:
    world = a_world(**POOL)
    hosts = Hosts(world)
    if call == "start":
        world, hosts = with_a_pool()
        schedule(world)
    world.machines.fail_next(call, Transient("lost"), done=done)
    run(world, hosts, rounds=20)
    if call == "start":
        assert hosts.ran == {"job-1": 1}
    assert len(world.instances(S.STOPPED)) == 1
    assert sum(i.starts for i in world.fleet.all(Instance)) == (call == "start")


def test_a_start_that_ec2_does_not_take_for_half_a_minute_falls_back_to_a_launch() -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    world.machines.fail_next("start", Transient("RequestLimitExceeded"), times=99)
    schedule(world)
    run(world, hosts, rounds=30)
    assert hosts.ran == {"job-1": 1}
    assert str(stopped.instance_id) not in hosts.served
    kept = world.fleet.instance(stopped.key)
    assert kept is not None
    assert kept.state is S.STOPPED
    assert kept.reason == "EC2 has not started the instance for 30 seconds, however often asked"
    assert kept.start_after is not None


@pytest.mark.parametrize("error", [Misconfigured("UnsupportedOperation"), NotFound("gone")])
def test_an_instance_that_ec2_does_not_stop_is_ended_and_the_pool_waits_ever_longer(
    error: Exception,
) -> None:
    world = a_world(**POOL)
    hosts = Hosts(world)
    world.machines.fail_next("stop", error, times=99)
    run(world, hosts, rounds=150, seconds=4)
    assert not world.instances(S.STOPPED)
    assert 2 <= world.machines.calls["stop"] <= 8
    ended = [i for i in world.fleet.all(Instance) if i.state is S.TERMINATED]
    assert any(str(error) in step.reason for i in ended for step in i.history)


def test_second_boots_that_fail_hold_back_starts_and_jobs_get_launches() -> None:
    world, hosts = with_a_pool(4)
    for host in hosts.hosts.values():
        host.fate = "second boot"
    for number in range(4):
        schedule(world, f"job-{number}")
        run(world, hosts)
    assert len(hosts.ran) == 4


def test_a_stop_that_never_ends_is_ended_after_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = a_world(**POOL)
    hosts = Hosts(world)
    never: Callable[..., None] = lambda _: None  # noqa: E731
    monkeypatch.setattr(type(world.machines), "_stopped", lambda self, machine: never(machine))
    run(world, hosts)
    (hangs,) = world.instances(S.STOPPING)
    world.after(minutes=16)
    run(world, hosts, rounds=2)
    ended = world.fleet.instance(hangs.key)
    assert ended is not None
    assert ended.state in {S.CONDEMNED, S.TERMINATED}
    assert "stopping for longer than 15 minutes" in ended.reason
