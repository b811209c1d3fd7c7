"""The loop of dispatch: pace, end, lease, registration, throttled calls."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.dispatch import lease as leases
from mayfly.errors import Conflict, ForeignStack, NotFound, Transient
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState
from tests.unit.builders import QUEUE, a_job
from tests.unit.script import Script
from tests.unit.world import World, a_warm_world, a_world

C = ClaimState


# -- the edge --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "pace", "left", "goes_on", "slept"),
    [
        (0.2, 0.5, 9, True, [0.3]),
        (0.5, 0.5, 9, True, []),
        (3.0, 0.5, 9, True, []),
        (0.2, 0.5, 0.5, False, []),
        (0.2, 0.5, 0.4, False, []),
        (3.0, 0.5, 3.0, False, []),
        (0.0, 0.0, 9, True, []),
    ],
)
def test_a_loop_waits_for_its_pace_and_ends_before_its_time_limit(
    spent: float, pace: float, left: float, goes_on: bool, slept: list[float]
) -> None:
    script = Script(a_world(), left)
    edge, started = script.edge(), script.world.clock.now
    script.world.clock.sleep(spent)
    assert edge.wait(started, timedelta(seconds=pace)) is goes_on
    assert script.waits == pytest.approx(slept)


# -- dispatch --------------------------------------------------------------------------------------


def test_a_job_that_comes_while_dispatch_waits_is_bound_within_a_second() -> None:
    world = a_warm_world()
    script = Script(world, 5, {2: lambda: world.schedule("job-1")})
    script.dispatch()
    claim = world.claim("job-1")
    assert claim.state is C.ASSIGNED
    assert claim.since - claim.runnable_at == timedelta(0)


def test_a_replaced_invocation_of_dispatch_ends_within_a_second_and_writes_nothing() -> None:
    world = a_warm_world()
    script = Script(
        world,
        60,
        {
            4: lambda: leases.take(world.fleet, "newer", world.clock.now),
            5: lambda: world.schedule("job-1"),
        },
    )
    script.dispatch()
    assert sum(script.waits) <= 4 * 0.25 + 1.25
    assert world.fleet.claim("job-1") is None
    lease = world.fleet.lease()
    assert lease is not None
    assert lease.holder == "newer"


def test_dispatch_renews_its_lease_every_five_seconds() -> None:
    script = Script(a_world(), 20)
    script.dispatch()
    lease = script.world.fleet.lease()
    assert lease is not None
    assert lease.holder == "me"
    assert lease.version == 1 + 1 + 3  # taken by the world, taken by dispatch, renewed three times


def test_dispatch_registers_the_stack_once() -> None:
    script = Script(a_world(), 10)
    script.dispatch()
    assert script.world.buildkite.owner == "owner"
    assert script.world.buildkite.calls["register"] == 1


def test_without_a_queue_dispatch_registers_nothing() -> None:
    script = Script(World(), 3)
    outcome = script.dispatch()
    assert script.world.buildkite.calls["register"] == 0
    assert outcome.problems == []


def test_a_queue_unknown_to_buildkite_is_a_problem_and_the_next_queue_is_registered() -> None:
    world = a_world()
    world.publish("other")
    world.provision()
    del world.buildkite.queues[QUEUE]
    world.buildkite.schedule("other", a_job(rules=("queue=other",)))
    outcome = Script(world, 3).dispatch()
    assert world.claim("job-1").state is C.WAITING
    assert any(f"does not know queue {QUEUE}" in problem for problem in outcome.problems)


def test_a_foreign_owner_of_the_stack_key_ends_dispatch() -> None:
    world = a_world()
    world.buildkite.owner = "somebody else"
    world.schedule("job-1")
    with pytest.raises(ForeignStack):
        Script(world, 3).dispatch()
    assert world.fleet.all(Claim) == []


@pytest.mark.parametrize("port", ["fleet", "buildkite"])
@pytest.mark.parametrize("done", [False, True])
def test_a_throttled_call_of_dispatch_raises_nothing_and_the_job_is_bound(
    port: str, done: bool
) -> None:
    calls = {
        "fleet": ["lease", "write", "queues", "claims", "instances", "claims_of"],
        "buildkite": ["register", "jobs", "states", "reserve", "tokens"],
    }[port]
    for call in calls:
        world = a_warm_world()
        world.schedule("job-1")
        getattr(world, port).fail_next(call, Transient("throttled"), times=2, done=done)
        Script(world, 6).dispatch()
        assert world.claim("job-1").state is C.ASSIGNED, call


@pytest.mark.parametrize("port", ["buildkite", "fleet"])
def test_dispatch_is_idle_where_buildkite_or_the_records_do_not_answer_all_along(port: str) -> None:
    world = a_world()
    operation = {"buildkite": "register", "fleet": "queues"}[port]
    getattr(world, port).fail_next(operation, Transient("no answer"), times=9999)
    assert str(Script(world, 50).dispatch().idle) == (
        "Buildkite or the records did not answer: no job was taken"
    )


def test_dispatch_is_not_idle_after_an_outage_that_ends_nor_for_an_unknown_queue() -> None:
    world = a_world()
    world.buildkite.fail_next("register", Transient("no answer"), times=20)
    assert Script(world, 50).dispatch().idle is None
    del world.buildkite.queues[QUEUE]
    world.buildkite.fail_next("register", Transient("429"))
    assert Script(world, 50).dispatch().idle is None


def test_dispatch_that_loses_the_race_for_the_lease_ends_without_a_problem() -> None:
    world = a_world()
    world.schedule("job-1")
    world.fleet.fail_next("write", Conflict("taken"))
    lease = world.fleet.lease
    answers = [lease(), None]
    vars(world.fleet)["lease"] = lambda: answers.pop(0)
    assert Script(world, 3).dispatch().problems == []
    assert world.fleet.all(Claim) == []


def test_an_unknown_queue_is_reported_once_an_invocation() -> None:
    world = a_world()
    world.buildkite.fail_next("register", NotFound("queue"), times=999)
    assert len(Script(world, 10).dispatch().problems) == 1
