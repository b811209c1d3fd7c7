"""Dispatch, tick after tick: how fast, until when, and who goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mayfly import lease as leases
from mayfly.decide.dispatch import LOOK_AHEAD
from mayfly.errors import Conflict, Misconfigured, NotFound, Transient
from mayfly.model import Claim, QueueRecord
from mayfly.ports import Listing
from mayfly.states import ClaimState
from mayfly.ticks.loops import BUSY, LISTS_AT_ONCE, listed, pace_of
from tests.unit.builders import QUEUE, a_job, a_queue
from tests.unit.script import Script
from tests.unit.world import World, a_warm_world, a_world, wanting

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
def test_a_loop_keeps_its_pace_and_ends_in_time(
    spent: float, pace: float, left: float, goes_on: bool, slept: list[float]
) -> None:
    script = Script(a_world(), left)
    edge, started = script.edge(), script.world.clock.now
    script.world.clock.sleep(spent)
    assert edge.wait(started, timedelta(seconds=pace)) is goes_on
    assert script.waits == pytest.approx(slept)


# -- dispatch --------------------------------------------------------------------------------------


def test_it_ticks_twice_a_second_while_there_is_nothing_to_do() -> None:
    script = Script(a_world(), 10)
    script.dispatch()
    assert script.waits == [0.5] * 19


def test_it_ticks_four_times_a_second_while_there_are_jobs_or_ready_instances() -> None:
    for world in (wanting("job-1"), a_warm_world()):
        script = Script(world, 5)
        script.dispatch()
        assert script.waits == [0.25] * 19


@pytest.mark.parametrize(("count", "pace"), [(0, 0.25), (2, 0.25), (3, 0.375), (9, 0.5)])
def test_more_queues_make_it_slower_until_they_take_turns(count: int, pace: float) -> None:
    names = listed(queues(count), 0)
    assert pace_of(names, busy=True).total_seconds() == pace
    assert pace_of(names, busy=False).total_seconds() == 0.5


def test_a_job_that_comes_while_it_waits_is_seen_within_a_second() -> None:
    world = a_warm_world()
    script = Script(world, 5, {2: lambda: world.schedule("job-1")})
    script.dispatch()
    claim = world.claim("job-1")
    assert claim.state is C.ASSIGNED
    assert claim.since - claim.runnable_at == timedelta(0)


def test_the_one_that_is_replaced_ends_within_a_second_and_writes_nothing() -> None:
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


def test_the_lease_is_renewed_every_five_seconds() -> None:
    script = Script(a_world(), 20)
    script.dispatch()
    lease = script.world.fleet.lease()
    assert lease is not None
    assert lease.holder == "me"
    assert lease.version == 1 + 1 + 3  # the world's own, taken, renewed


def test_the_stack_is_registered_once() -> None:
    script = Script(a_world(), 10)
    script.dispatch()
    assert script.world.buildkite.owner == "owner"
    assert script.world.buildkite.calls["register"] == 1


def test_before_there_is_a_queue_nothing_is_registered() -> None:
    script = Script(World(), 3)
    outcome = script.dispatch()
    assert script.world.buildkite.calls["register"] == 0
    assert outcome.problems == []


def test_a_queue_that_buildkite_does_not_know_is_a_problem_and_the_next_registers() -> None:
    world = a_world()
    world.publish("other")
    world.provision()
    del world.buildkite.queues[QUEUE]
    world.buildkite.schedule("other", a_job(rules=("queue=other",)))
    outcome = Script(world, 3).dispatch()
    assert world.claim("job-1").state is C.WAITING
    assert any(f"does not know queue {QUEUE}" in problem for problem in outcome.problems)


@pytest.mark.parametrize("call", ["register", "jobs"])
def test_a_refused_token_shows_as_a_problem_or_ends_it(call: str) -> None:
    world = a_world()
    world.schedule("job-1")
    world.buildkite.fail_next(call, Misconfigured("401"), times=99)
    if call == "register":
        with pytest.raises(Misconfigured):
            Script(world, 3).dispatch()
    else:
        assert "401" in Script(world, 3).dispatch().problems[0]
    assert world.fleet.all(Claim) == []


def test_a_foreign_owner_of_the_stacks_key_ends_it() -> None:
    world = a_world()
    world.buildkite.owner = "somebody else"
    world.schedule("job-1")
    with pytest.raises(Misconfigured):
        Script(world, 3).dispatch()
    assert world.fleet.all(Claim) == []


@pytest.mark.parametrize("port", ["fleet", "buildkite"])
@pytest.mark.parametrize("done", [False, True])
def test_throttling_at_any_moment_raises_nothing_and_the_job_is_served(
    port: str, done: bool
) -> None:
    calls = {
        "fleet": ["lease", "write", "queues", "claims", "instances", "claim"],
        "buildkite": ["register", "jobs", "states", "reserve", "tokens"],
    }[port]
    for call in calls:
        world = a_warm_world()
        world.schedule("job-1")
        getattr(world, port).fail_next(call, Transient("throttled"), times=2, done=done)
        Script(world, 6).dispatch()
        assert world.claim("job-1").state is C.ASSIGNED, call


def test_one_that_loses_the_race_for_the_lease_leaves_quietly() -> None:
    world = a_world()
    world.schedule("job-1")
    world.fleet.fail_next("write", Conflict("taken"))
    lease = world.fleet.lease
    answers = [lease(), None]
    vars(world.fleet)["lease"] = lambda: answers.pop(0)
    assert Script(world, 3).dispatch().problems == []
    assert world.fleet.all(Claim) == []


def test_each_tick_lists_jobs_and_one_a_second_asks_how_they_stand() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    Script(world, 3).dispatch()
    assert world.claim("job-1").state is C.ASSIGNED
    assert world.buildkite.calls["jobs"] == timedelta(seconds=3) // BUSY
    # In the first of the three seconds there was no claim yet of which to ask.
    assert world.buildkite.calls["states"] == 2


def test_running_claims_are_looked_at_every_fifteen_seconds() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    script = Script(world, 40, {1: lambda: world.accept("job-1")})
    ended: list[datetime] = []

    def end() -> None:
        world.buildkite.end("job-1")
        ended.append(world.clock.now)

    script.events[5] = end
    script.dispatch()
    claim = world.claim("job-1")
    assert claim.state is C.FINISHED
    assert timedelta(0) < claim.since - ended[0] <= timedelta(seconds=15)


def test_running_jobs_take_room_between_the_wide_looks_too() -> None:
    world = a_warm_world(2, **{"limits/max-instances": "2"})
    world.schedule("job-1", "job-2")

    def accept() -> None:
        world.accept("job-1")
        world.accept("job-2")

    more = [f"more-{n:02}" for n in range(30)]
    Script(world, 8, {1: accept, 4: lambda: world.schedule(*more)}).dispatch()
    waiting = [claim for claim in world.fleet.all(Claim) if claim.state is C.WAITING]
    assert len(waiting) == LOOK_AHEAD


def test_a_pause_of_a_queue_holds_between_its_listings() -> None:
    world = a_world()
    others = [f"queue-{n}" for n in range(2 * LISTS_AT_ONCE)]
    for queue in others:
        world.publish(queue)
    world.configure(**{"pool/hot": "1"})
    world.provision()
    world.make_ready()
    world.schedule("job-1")
    world.fence = leases.take(world.fleet, "before", world.clock.now).fence
    world.buildkite.fail_next("tokens", Transient("429"))
    world.dispatch()
    assert world.claim("job-1").state is C.WAITING
    world.buildkite.queues[QUEUE].paused = True
    Script(world, 20).dispatch()
    assert world.claim("job-1").state is C.WAITING
    world.buildkite.queues[QUEUE].paused = False
    Script(world, 20).dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


# -- lists -----------------------------------------------------------------------------------------


def queues(count: int) -> list[QueueRecord]:
    return [a_queue(queue=f"q{n:02}") for n in range(count)]


@pytest.mark.parametrize("count", range(LISTS_AT_ONCE + 1))
def test_few_queues_are_all_listed_every_time(count: int) -> None:
    assert listed(queues(count), 7) == {record.queue for record in queues(count)}


@pytest.mark.parametrize("count", [5, 6, 7, 8, 9, 13, 40])
def test_many_queues_are_listed_in_turn_and_none_is_forgotten(count: int) -> None:
    turns = [listed(queues(count), turn) for turn in range(count * 2)]
    assert {len(turn) for turn in turns} == {LISTS_AT_ONCE}
    rounds = -(-count // LISTS_AT_ONCE)
    for start in range(len(turns) - rounds):
        seen = frozenset[str]().union(*turns[start : start + rounds])
        assert len(seen) == count


def test_a_queue_whose_stack_is_gone_is_not_listed() -> None:
    assert listed([a_queue(), a_queue(queue="gone", active=False)], 0) == {QUEUE}


def test_lists_are_at_most_eight_a_second() -> None:
    world = a_world()
    for n in range(30):
        world.publish(f"queue-{n}")
    world.provision()
    world.schedule("job-1")
    stamps: list[datetime] = []
    original = world.buildkite.jobs

    def jobs(queue: str) -> Listing:
        stamps.append(world.clock.now)
        return original(queue)

    vars(world.buildkite)["jobs"] = jobs
    Script(world, 10).dispatch()
    for start in stamps:
        within = [at for at in stamps if start <= at < start + timedelta(seconds=1)]
        assert len(within) <= 8


def test_an_unknown_queue_is_told_once_an_invocation() -> None:
    world = a_world()
    world.buildkite.fail_next("register", NotFound("queue"), times=999)
    assert len(Script(world, 10).dispatch().problems) == 1
