"""Ticks of dispatch against the fakes: failed calls, lagging lists, narrow ticks, many queues."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mayfly.answers import Listing
from mayfly.dispatch.bound import RESERVATION
from mayfly.dispatch.opened import LOOK_AHEAD
from mayfly.errors import Conflict, Illegal, Misconfigured, NotFound, Transient
from mayfly.records.changes import Save
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.outcome import Left
from tests.unit.builders import QUEUE, a_job
from tests.unit.world import World, a_warm_world, a_world, wanting

S, C = InstanceState, ClaimState

# -- failures and lost races -----------------------------------------------------------------------


def test_without_a_token_no_job_is_bound() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.buildkite.fail_next("tokens", Transient("429"))
    outcome = world.dispatch()
    assert world.claim("job-1").state is C.WAITING
    assert outcome.left[Left.TRANSIENT] == 1
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_a_claim_that_cannot_be_written_does_not_stop_other_claims() -> None:
    world = a_warm_world(3)
    world.schedule("job-1", "job-2", "job-3")
    # Fails the transaction of all claims, then the single write of the first claim.
    world.fleet.fail_next("write", Conflict("somebody opened one of them"), times=2)
    world.dispatch()
    assert world.fleet.claim("job-1") is None
    assert [world.claim(job).state for job in ("job-2", "job-3")] == [C.ASSIGNED] * 2
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_a_defect_in_dispatch_is_raised() -> None:
    world = a_world()
    world.schedule("job-1")
    world.nudges.fail_next("send", Illegal("no edge"))
    with pytest.raises(Illegal):
        world.dispatch()


def test_the_instance_of_a_job_taken_by_another_stack_serves_the_next_job() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.buildkite.fail_next("reserve", Transient("429"))
    world.dispatch()
    world.buildkite.known["job-1"].state = "running"  # another stack's agent has it
    world.schedule("job-2")
    world.dispatch()
    assert world.claim("job-1").state is C.RELEASED
    assert world.claim("job-2").state is C.ASSIGNED


def test_a_released_job_that_is_still_listed_gets_a_new_claim() -> None:
    world = a_world()
    world.schedule("job-1")
    world.dispatch()
    world.buildkite.queues[QUEUE].paused = True
    for _ in range(2):
        world.after(5).dispatch()
    assert world.claim("job-1").state is C.RELEASED
    world.buildkite.queues[QUEUE].paused = False
    world.after(6).dispatch()
    claim = world.claim("job-1")
    assert (claim.state, claim.since) == (C.WAITING, world.clock.now)


def test_with_a_lagging_index_no_job_is_opened_or_bound_twice() -> None:
    world = a_warm_world(2)
    world.fleet.lag()
    world.schedule("job-1")
    for _ in range(3):
        world.dispatch()
    assert [i.job for i in world.instances(S.ASSIGNED)] == ["job-1"]
    assert len(world.fleet.all(Claim)) == 1
    world.fleet.catch_up()
    world.dispatch()
    assert len(world.instances(S.ASSIGNED)) == 1


def test_the_last_attempt_fails_a_job_only_after_its_record() -> None:
    world = a_warm_world(**{"job/attempts": "1"})
    world.schedule("job-1")
    world.dispatch()
    (instance,) = world.instances()
    world.machines.end(str(instance.instance_id), "Server.InternalError")
    world.reap()
    world.fleet.fail_next("write", Transient("throttled"))
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED
    assert world.buildkite.calls["finish"] == 0
    world.dispatch()
    assert world.claim("job-1").told


def test_more_reservations_than_one_transaction_holds_are_saved() -> None:
    world = a_world(**{"limits/max-instances": "200"})
    jobs = [f"job-{number:03}" for number in range(150)]
    world.schedule(*jobs)
    for _ in range(4):
        world.dispatch()
    world.after(1, seconds=1).dispatch()
    assert {world.claim(job).reserved_until for job in jobs} == {world.clock.now + RESERVATION}


def test_more_jobs_in_hand_than_a_lowered_limit_allows_open_no_further_job() -> None:
    world = a_world(**{"limits/max-instances": "10"})
    held = [f"held-{number:02}" for number in range(10 + LOOK_AHEAD)]
    world.schedule(*held)
    world.dispatch()
    world.configure(**{"limits/max-instances": "5"})
    world.provision()
    world.schedule(*(f"more-{number:02}" for number in range(20)))
    world.dispatch()
    assert sorted(claim.job for claim in world.fleet.all(Claim)) == held


def test_a_job_that_buildkite_does_not_reserve_has_no_reservation_and_no_demand() -> None:
    world = a_world()
    vars(world.buildkite)["reserve"] = lambda *_: frozenset({"job-2"})
    world.schedule("job-1", "job-2")
    world.dispatch()
    assert world.claim("job-1").reserved_until is None
    assert world.claim("job-2").reserved_until == world.clock.now + RESERVATION
    world.provision()
    assert len(world.instances()) == 1


# -- narrow ticks ----------------------------------------------------------------------------------


def test_running_jobs_count_against_the_limit_in_a_narrow_tick() -> None:
    world = a_warm_world(2, **{"limits/max-instances": "2"})
    world.schedule("job-1", "job-2")
    world.dispatch()
    for job in ("job-1", "job-2"):
        world.accept(job)
    world.dispatch(wide=False)
    world.schedule(*(f"more-{n:02}" for n in range(30)))
    world.dispatch(wide=False)
    waiting = [claim for claim in world.fleet.all(Claim) if claim.state is C.WAITING]
    assert len(waiting) == LOOK_AHEAD
    assert world.seen[QUEUE].running == {"web": 2}


def test_a_wide_tick_corrects_the_count_of_running_jobs() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.dispatch(wide=False)
    world.buildkite.end("job-1")
    world.dispatch(wide=False)
    assert world.seen[QUEUE].running == {"web": 1}
    world.dispatch()
    world.dispatch()
    assert world.seen[QUEUE].running == {}
    assert world.claim("job-1").state is C.FINISHED


# -- ticks that read no job states -----------------------------------------------------------------


def test_a_job_takes_over_the_instance_of_a_job_that_its_push_cancels() -> None:
    world = wanting("job-1")
    world.provision()
    world.buildkite.cancel("job-1")
    world.schedule("job-2")
    world.dispatch(reads_states=False)
    assert world.claim("job-1").state is C.RELEASED
    assert world.claim("job-2").state is C.WAITING
    world.provision()
    assert len(world.machines.machines) == 1


def test_a_tick_can_leave_out_the_states_of_waiting_jobs() -> None:
    world = wanting("job-1")
    before = world.buildkite.calls["states"]
    world.dispatch(reads_states=False)
    assert world.buildkite.calls["states"] == before
    world.dispatch()
    assert world.buildkite.calls["states"] == before + 1


# -- several queues --------------------------------------------------------------------------------


def two_queues() -> World:
    world = a_world()
    world.publish("other")
    world.provision()
    world.schedule("job-1")
    world.buildkite.schedule("other", a_job("job-2", rules=("queue=other",)))
    return world


@pytest.mark.parametrize(
    "error", [Transient("503"), NotFound("no such queue"), Misconfigured("token refused")]
)
def test_a_queue_that_cannot_be_listed_does_not_delay_other_queues(error: Exception) -> None:
    world = two_queues()
    listing = world.buildkite.jobs

    def jobs(queue: str) -> Listing:
        if queue == QUEUE:
            raise error
        return listing(queue)

    vars(world.buildkite)["jobs"] = jobs
    outcome = world.dispatch()
    assert world.fleet.claim("job-1") is None
    assert world.claim("job-2").state is C.WAITING
    assert bool(outcome.problems) is not isinstance(error, Transient)


def test_a_queue_with_an_unreadable_record_does_not_delay_other_queues() -> None:
    world = two_queues()
    record = world.fleet.queue(QUEUE)
    assert record is not None
    broken = json.dumps({"queue": QUEUE})
    world.fleet.write([Save(replace(record, config=broken))])
    outcome = world.dispatch()
    assert world.claim("job-2").state is C.WAITING
    assert "not a stored configuration" in outcome.problems[0]
