"""Reap while EC2 shows no instances: what records and reports say is done, the rest waits."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import pytest

from mayfly.answers import Ec2Instance
from mayfly.errors import MayflyError, Misconfigured, Transient
from mayfly.events import StateChanged
from mayfly.reap import gather
from mayfly.reap import tick as reap
from mayfly.records.changes import Save
from mayfly.records.model import Stray
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.outcome import Left, Outcome
from tests.unit.world import World, a_warm_world, ec2_state, running

C, S = ClaimState, InstanceState
THROTTLED = Transient("DescribeInstances: RequestLimitExceeded")
POWER_OFF = "Client.InstanceInitiatedShutdown"


def unanswered(world: World, error: MayflyError = THROTTLED) -> World:
    """The world, whose EC2 shows no instances for a long time."""
    for call in ("instances", "instances_of"):
        world.machines.fail_next(call, error, times=999)
    return world


def end_event(world: World) -> Outcome:
    """EC2's event of the end of the only instance."""
    change = StateChanged(str(world.instance().instance_id), "terminated")
    return reap.on_state_change(world.reap_ports, change, world.edge)


def with_an_ended_job() -> World:
    """A world with one instance at most, whose host has reported the end of its job."""
    world = running()
    world.configure(**{"limits/max-instances": "1", "pool/hot": "0"})
    world.provision()
    world.buildkite.end("job-1")
    world.report(world.instance(), "done", exit=0)
    return world


def test_at_a_limit_of_one_the_next_job_gets_its_instance_though_ec2_is_throttled_throughout() -> (
    None
):
    world = unanswered(with_an_ended_job())
    world.schedule("job-2")
    world.dispatch()
    world.reap()
    assert world.instance().state is S.DONE
    assert ec2_state(world) == "running"
    world.machines.end(str(world.instance().instance_id), POWER_OFF)
    end_event(world)
    assert world.instance().state is S.TERMINATED
    assert world.ledger().live == 0
    world.provision()
    assert len(world.instances(S.LAUNCHING)) == 1


def test_a_host_whose_end_no_event_tells_is_closed_within_three_minutes() -> None:
    world = unanswered(with_an_ended_job())
    world.machines.end(str(world.instance().instance_id), POWER_OFF)
    for _ in range(4):
        world.reap()
        world.after(minutes=1)
    assert world.instance().state is S.TERMINATED
    assert world.instance().reason == "the agent ended with exit code 0"
    assert world.claim("job-1").state is C.FINISHED


def test_a_condemned_instance_is_terminated_and_closed() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.buildkite.cancel("job-1")
    world.dispatch()
    assert world.instance().state is S.CONDEMNED
    unanswered(world).reap()
    assert ec2_state(world) == "shutting-down"
    world.machines.settle()
    world.reap()
    assert world.instance().state is S.TERMINATED


@pytest.mark.parametrize("error", [THROTTLED, Misconfigured("reap may not describe")], ids=str)
def test_what_only_ec2_can_tell_waits_and_is_said(
    error: MayflyError, caplog: pytest.LogCaptureFixture
) -> None:
    world = running()
    stray = Stray("i-0123456789abcdef0", world.clock.now)
    world.fleet.write([Save(stray)])
    world.machines.end(str(world.instance().instance_id), "Server.InternalError")
    unanswered(world, error)
    for _ in range(30):
        outcome = world.after(minutes=1).reap()
    assert world.instance().state is S.RUNNING
    assert world.instance().unseen_since is None
    assert [each.instance_id for each in world.fleet.all(Stray)] == [stray.instance_id]
    line = f"ends of 1 instances, which EC2 alone can tell: {error}"
    if isinstance(error, Transient):
        assert outcome.left == {Left.TRANSIENT: 1}
        assert f"left to the next tick: {line}" in caplog.messages
    else:
        assert outcome.problems == [line]


def test_an_end_that_its_host_did_not_report_is_closed_by_ec2s_word_alone() -> None:
    world = running()
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination")
    unanswered(world)
    assert end_event(world).left == {Left.TRANSIENT: 1}
    assert world.instance().state is S.RUNNING
    vars(world.machines)["_script"].clear()
    world.reap()
    assert world.instance().reason == "EC2 ended the instance: Server.SpotInstanceTermination"


def test_a_done_host_that_has_not_ended_yet_is_not_closed_by_a_repeated_event() -> None:
    world = unanswered(with_an_ended_job())
    end_event(world)
    assert world.instance().state is S.DONE
    assert ec2_state(world) == "shutting-down"


def test_a_look_that_hangs_delays_no_termination(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Event()
    monkeypatch.setattr(gather, "DESCRIBE_SECONDS", 0.05)
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.buildkite.cancel("job-1")
    world.dispatch()

    def instances() -> Sequence[Ec2Instance]:
        stuck.wait(5)
        return []

    vars(world.machines)["instances"] = instances
    outcome = world.reap()
    stuck.set()
    assert ec2_state(world) == "shutting-down"
    assert outcome.left == {Left.TRANSIENT: 1}
