"""How often dispatch lists jobs, reads records and job states: fast for waiting jobs, in limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mayfly.dispatch import lease as leases
from mayfly.dispatch.lease import CHECK
from mayfly.dispatch.opened import LOOK_AHEAD, OPEN_AT_ONCE
from mayfly.dispatch.rhythm import LISTS, LISTS_AT_ONCE, listed, pace_of
from mayfly.errors import Transient
from mayfly.records.changes import Save
from mayfly.records.model import Claim, QueueRecord
from mayfly.records.states import ClaimState
from tests.unit.builders import QUEUE, a_claim, a_queue
from tests.unit.script import Script
from tests.unit.world import World, a_warm_world, a_world, wanting

C = ClaimState
FAST = 1.125 / 8
BESIDE = 1.125 / 2


def queues(count: int) -> list[QueueRecord]:
    return [a_queue(queue=f"q{n:02}") for n in range(count)]


def test_dispatch_lists_four_times_a_second_while_idle() -> None:
    script = Script(a_world(), 10)
    script.dispatch()
    assert script.waits == [BESIDE, BESIDE] + [0.25] * 35


def test_dispatch_lists_eight_times_a_second_while_instances_are_ready() -> None:
    script = Script(a_warm_world(), 5)
    script.dispatch()
    assert script.waits == [BESIDE, BESIDE] + [FAST] * 27


@pytest.mark.parametrize(("a_kind", "lists", "looks"), [(a_world, 40, 10), (a_warm_world, 72, 9)])
def test_dispatch_reads_the_records_once_a_second_while_idle(
    a_kind: Callable[[], World], lists: int, looks: int
) -> None:
    world = a_kind().after(1)
    reads = times_of(world, world.fleet, "instances")
    Script(world, 10).dispatch()
    assert len(reads) == looks
    assert world.buildkite.calls["jobs"] == lists


def test_the_tick_that_lists_the_first_job_reads_the_records() -> None:
    world = a_world().after(1)
    claimed: list[ClaimState] = []
    events: dict[int, Callable[[], object]] = {
        6: lambda: world.schedule("job-1"),
        7: lambda: claimed.extend(claim.state for claim in world.fleet.all(Claim)),
    }
    Script(world, 5, events).dispatch()
    assert claimed == [C.WAITING]


def test_dispatch_opens_a_listed_job_with_a_closed_claim_at_any_place_of_the_list() -> None:
    world = a_world(**{"limits/max-instances": "100"}).after(1)
    old = a_claim(job="urgent", state=C.RELEASED, version=0)
    many = [f"job-{n:02}" for n in range(2 * OPEN_AT_ONCE)]
    claimed: list[str] = []

    def schedule_many() -> None:
        world.fleet.write([Save(old)])
        world.schedule(*many)
        world.schedule("urgent", priority=9)

    def note_waiting_claims() -> None:
        found = world.fleet.all(Claim)
        claimed.extend(claim.job for claim in found if claim.state is C.WAITING)

    Script(world, 5, {6: schedule_many, 7: note_waiting_claims}).dispatch()
    assert len(claimed) == OPEN_AT_ONCE
    assert "urgent" in claimed


def test_a_running_job_does_not_make_dispatch_list_or_read_more_often() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    script = Script(world, 5, {1: lambda: world.accept("job-1")})
    reads = times_of(world, world.fleet, "instances")
    script.dispatch()
    assert world.claim("job-1").state is C.RUNNING
    assert script.waits[-8:] == [0.25] * 8
    late = [at for at in reads if at > world.clock.now - timedelta(seconds=2)]
    assert len(late) == 2


def test_dispatch_ticks_eight_times_a_second_while_jobs_are_listed() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    script = Script(world, 5)
    script.dispatch()
    assert script.waits == [BESIDE, BESIDE] + [FAST] * 27


def test_without_a_recent_holder_dispatch_ticks_fast_from_its_first_list() -> None:
    world = a_warm_world().after(1)
    world.schedule("job-1")
    script = Script(world, 5)
    script.dispatch()
    assert script.waits == [FAST] * 35


@pytest.mark.parametrize(
    ("count", "pace"),
    [(0, FAST), (1, FAST), (2, 2 * FAST), (3, 4 * FAST), (4, 4 * FAST), (9, 4 * FAST)],
)
def test_the_pace_slows_with_more_queues_until_they_are_listed_in_turn(
    count: int, pace: float
) -> None:
    names = listed(queues(count), 0)
    assert pace_of(names, fast=True).total_seconds() == pace
    assert pace_of(names, fast=False).total_seconds() == max(pace, 0.25)


def test_dispatch_lists_jobs_in_each_tick_and_reads_their_states_once_a_second() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    Script(world, 3).dispatch()
    assert world.claim("job-1").state is C.ASSIGNED
    assert world.buildkite.calls["jobs"] == 2 * LISTS
    # In the first of the three seconds there was no claim to read a state for.
    assert world.buildkite.calls["states"] == 2


def test_running_claims_are_read_every_fifteen_seconds() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    script = Script(world, 40, {1: lambda: world.accept("job-1")})
    ended: list[datetime] = []

    def end_job() -> None:
        world.buildkite.end("job-1")
        ended.append(world.clock.now)

    script.events[5] = end_job
    script.dispatch()
    claim = world.claim("job-1")
    assert claim.state is C.FINISHED
    assert timedelta(0) < claim.since - ended[0] <= timedelta(seconds=15)


def test_running_jobs_count_against_the_limit_in_narrow_ticks_of_the_loop() -> None:
    world = a_warm_world(2, **{"limits/max-instances": "2"})
    world.schedule("job-1", "job-2")

    def accept() -> None:
        world.accept("job-1")
        world.accept("job-2")

    more = [f"more-{n:02}" for n in range(30)]
    Script(world, 8, {1: accept, 4: lambda: world.schedule(*more)}).dispatch()
    waiting = [claim for claim in world.fleet.all(Claim) if claim.state is C.WAITING]
    assert len(waiting) == LOOK_AHEAD


def test_a_pause_of_a_queue_holds_between_its_lists() -> None:
    world = a_world()
    others = [f"queue-{n}" for n in range(2 * LISTS_AT_ONCE)]
    for queue in others:
        world.publish(queue)
    world.configure(**{"pool/hot": "1"})
    world.provision()
    world.make_ready()
    world.schedule("job-1")
    world.fence = leases.take(world.fleet, "before", world.clock.now).lease.fence
    world.buildkite.fail_next("tokens", Transient("429"))
    world.dispatch()
    assert world.claim("job-1").state is C.WAITING
    world.buildkite.queues[QUEUE].paused = True
    Script(world, 20).dispatch()
    assert world.claim("job-1").state is C.WAITING
    world.buildkite.queues[QUEUE].paused = False
    Script(world, 20).dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def times_of(world: World, port: object, call: str) -> list[datetime]:
    """Times of every later call of this method of a port; the list grows with each call."""
    stamps: list[datetime] = []
    original = getattr(port, call)

    def stamped(*given: Any) -> Any:
        stamps.append(world.clock.now)
        return original(*given)

    vars(port)[call] = stamped
    return stamps


@pytest.mark.parametrize("count", range(LISTS_AT_ONCE + 1))
def test_few_queues_are_all_listed_in_every_tick(count: int) -> None:
    assert listed(queues(count), 7) == {record.queue for record in queues(count)}


@pytest.mark.parametrize("count", [5, 6, 7, 8, 9, 13, 40])
def test_many_queues_are_listed_in_turn_and_none_is_left_out(count: int) -> None:
    turns = [listed(queues(count), turn) for turn in range(count * 2)]
    assert {len(turn) for turn in turns} == {LISTS_AT_ONCE}
    rounds = -(-count // LISTS_AT_ONCE)
    for start in range(len(turns) - rounds):
        seen = frozenset[str]().union(*turns[start : start + rounds])
        assert len(seen) == count


def test_an_inactive_queue_is_not_listed() -> None:
    assert listed([a_queue(), a_queue(queue="gone", active=False)], 0) == {QUEUE}


def test_dispatch_makes_at_most_eight_lists_a_second() -> None:
    world = a_world()
    for n in range(30):
        world.publish(f"queue-{n}")
    world.provision()
    world.schedule("job-1")
    stamps = times_of(world, world.buildkite, "jobs")
    Script(world, 10).dispatch()
    for start in stamps:
        within = [at for at in stamps if start <= at < start + timedelta(seconds=1)]
        assert len(within) <= 8


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_a_late_tick_and_the_ticks_after_it_keep_the_limit_of_lists(count: int) -> None:
    names = listed(queues(count), 0)
    late = timedelta(seconds=0.12)
    ticks = [late, *(n * pace_of(names, fast=True) for n in range(1, 20))]
    lists = [at for at in ticks for _ in names]
    assert sum(at < late + timedelta(seconds=1) for at in lists) <= LISTS


def test_while_a_job_waits_dispatch_reads_the_records_between_lists() -> None:
    world = wanting("job-1")
    world.provision()
    world.machines.settle()
    bound: list[ClaimState] = []
    events: dict[int, Callable[[], object]] = {
        5: world.make_ready,
        6: lambda: bound.append(world.claim("job-1").state),
    }
    before = world.buildkite.calls["jobs"]
    script = Script(world, 3, events)
    script.dispatch()
    assert bound == [C.ASSIGNED]
    assert script.waits[:5] == [FAST] * 5
    assert world.buildkite.calls["jobs"] - before == 2 * LISTS


@pytest.mark.parametrize("fast", [False, True], ids=["quiet", "fast"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_two_overlapping_invocations_stay_within_the_limit_of_lists(count: int, fast: bool) -> None:
    world = a_warm_world() if fast else a_world()
    for n in range(1, count):
        world.publish(f"queue-{n}")
    world.provision()
    # The former invocation goes on for at most a second, until it notices the loss of its lease.
    names = listed(queues(count), 0)
    pace = pace_of(names, fast=fast)
    before = [world.clock.now + n * pace for n in range(-(-CHECK // pace)) for _ in names]
    stamps = times_of(world, world.buildkite, "jobs")
    Script(world, 5).dispatch()
    every = sorted([*stamps, *before])
    for start in every:
        assert sum(start <= at < start + timedelta(seconds=1) for at in every) <= 10
