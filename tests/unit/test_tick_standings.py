"""Standings: what each function says of a queue, how often it writes that, and the lease's word."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.errors import Conflict, TokenRefused, Transient
from mayfly.records.changes import Save
from mayfly.records.model import Heard
from mayfly.records.standing import Standing
from mayfly.records.why import Code
from tests.unit.builders import QUEUE, TYPES
from tests.unit.script import Script
from tests.unit.world import World, a_world, wanting

GPU = ("gpu=yes",)


def said(world: World, function: str = "dispatch") -> Standing:
    standing = world.fleet.standing(function, QUEUE)
    assert standing is not None
    return standing


def codes(world: World, function: str = "dispatch") -> list[Code]:
    return [each.code for each in said(world, function).reasons]


@pytest.mark.slow
def test_many_jobs_that_wait_or_are_left_alone_cost_few_writes() -> None:
    world = a_world(**{"limits/max-instances": "2"})
    Script(world, 10).dispatch("first")
    world.schedule(*(f"job-{n:04}" for n in range(200)))
    world.schedule(*(f"odd-{n:04}" for n in range(200)), rules=GPU)
    Script(world, 60).dispatch("second")
    world.fleet.calls.clear()
    ticks = Script(world, 60)
    ticks.dispatch("third")
    # 12 renewals of the lease, about a renewal of 12 reservations a minute, 1 standing.
    assert len(ticks.waits) > 300
    assert world.fleet.calls["write"] <= 12 + 8
    assert world.fleet.calls["standings"] == 1
    assert world.fleet.calls["standing"] <= 5  # what `provision` said, every 15 s
    standing = said(world)
    assert {Code.LOOK_AHEAD, Code.RULE_NOT_MET} <= set(codes(world))
    assert (len(standing.left), standing.left_total, standing.waiting) == (20, 200, 200)


def test_an_idle_queue_writes_its_standing_once() -> None:
    world = a_world()
    Script(world, 10).dispatch("first")
    world.fleet.calls.clear()
    Script(world, 50).dispatch("second")
    assert world.fleet.calls["write"] <= 11  # renewals of the lease alone


def test_provision_writes_its_standing_on_change_and_once_a_minute() -> None:
    world = wanting("job-1", "job-2", **{"limits/max-instances": "1"})
    Script(world, 5).provision()
    first = said(world, "provision")
    for _ in range(5):
        Script(world.after(seconds=2), 1).provision(nudged=True)
    assert said(world, "provision").version == first.version
    Script(world.after(minutes=1), 5).provision()
    again = said(world, "provision")
    assert again.version == first.version + 1
    assert [each.since for each in again.reasons] == [each.since for each in first.reasons]
    assert codes(world, "provision") == [Code.MAX_INSTANCES]


def test_the_next_try_of_a_refused_launch_is_in_the_standing_with_types_market_and_tries() -> None:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", name): 0 for name in TYPES}
    Script(world, 5).provision()
    (why,) = said(world, "provision").reasons
    assert why.code is Code.NO_CAPACITY
    assert "m7i.large or m6i.large, on-demand" in why.text
    assert why.next_try == world.ledger().retry_at[why.subject]


def test_another_invocation_that_wrote_first_is_no_failure() -> None:
    world = wanting("job-1", **{"limits/max-instances": "1"})
    world.provision()
    world.fleet.fail_next("write", Conflict("the other invocation said it"))
    outcome = world.after(minutes=2).provision()
    assert (outcome.unfinished, outcome.problems) == (False, [])


def test_a_table_that_cannot_be_read_for_standings_holds_no_job_up() -> None:
    world = a_world()
    world.schedule("job-1")
    world.fleet.fail_next("standings", Transient("throttled"), times=99)
    world.dispatch()
    assert world.claim("job-1").reserved(world.clock.now)
    assert world.fleet.standing("dispatch", QUEUE) is None


def test_the_lease_says_that_the_token_is_good_and_when_buildkite_last_listed() -> None:
    world = a_world()
    Script(world, 30).dispatch()
    lease = world.fleet.lease()
    assert lease is not None
    assert lease.buildkite.listed_at is not None
    assert world.clock.now - lease.buildkite.listed_at < timedelta(seconds=10)
    assert lease.buildkite == Heard(lease.buildkite.listed_at)


def test_the_lease_and_the_standing_say_since_when_the_token_is_refused() -> None:
    world = a_world()
    Script(world, 10).dispatch("first")
    for call in ("register", "jobs"):
        world.buildkite.fail_next(call, TokenRefused("401: revoked"), times=9999)
    began = world.clock.now
    for name in ("second", "third"):
        Script(world, 50).dispatch(name)
    lease = world.fleet.lease()
    assert lease is not None
    assert lease.buildkite.refusal == "401: revoked"
    assert lease.buildkite.refused_since is not None
    assert began <= lease.buildkite.refused_since < began + timedelta(seconds=5)
    assert codes(world) == [Code.TOKEN_REFUSED]
    world.buildkite = type(world.buildkite)(world.clock)
    world.buildkite.add_queue(QUEUE)
    Script(world, 20).dispatch("fourth")
    lease = world.fleet.lease()
    assert lease is not None
    assert lease.buildkite.refused_since is None
    assert codes(world) == []


def test_a_silent_provision_is_told_where_no_instance_comes() -> None:
    world = wanting("job-1")
    world.provision()
    world.fleet.write([Save(type(said(world, "provision"))("other", "provision", world.clock.now))])
    for instance in world.instances():
        world.machines.settle()
        world.machines.end(str(instance.instance_id), "Server.InternalError: gone")
    world.reap()
    for _ in range(5):
        world.after(1).dispatch()
    why = world.claim("job-1").why
    assert why is not None
    assert why.code is Code.PROVISION_SILENT


def test_a_paused_queue_says_how_many_jobs_it_holds_and_since_when_they_are_runnable() -> None:
    world = a_world(paused="true")
    Script(world, 5).dispatch("first")
    world.schedule(*(f"job-{n:02}" for n in range(22)))
    runnable = world.clock()
    world.schedule("odd", rules=GPU)
    Script(world.after(seconds=40), 25).dispatch("second")
    standing = said(world)
    assert (standing.held, standing.left_total) == (22, 23)
    held = [each for each in standing.left if each.why.code is Code.PAUSED]
    assert {each.runnable_at for each in held} == {runnable}
    assert all(each.why.since > runnable for each in held)
