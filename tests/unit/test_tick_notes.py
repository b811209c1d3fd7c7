"""Notes on the build page: a job that does not begin says why, once for each change of cause."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import pytest

from mayfly.config.boots import BOOT_MINUTES_OF_METAL
from mayfly.dispatch.notes import MOST, PATIENCE
from mayfly.errors import Conflict, MayflyError, Misconfigured, NotFound, Transient
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE, STACK, TYPES, a_job
from tests.unit.hosts import POWER_OFF
from tests.unit.script import Script
from tests.unit.world import World, a_warm_world, a_world, wanting

LAUNCHING = (
    "Launching an instance for this job (m7i.large or m6i.large, on-demand), "
    "usually about a minute."
)
FROM_MAIN = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
}
NO_TAG = f"Not taken: queue {QUEUE} does not meet the rule gpu=yes: the queue has no tag gpu."


def notes(world: World, job: str = "job-1") -> list[str]:
    return world.buildkite.known[job].notes


def long(world: World) -> World:
    """The world after the time for which a job waits without a word."""
    return world.after(seconds=PATIENCE.total_seconds())


def told(world: World, job: str = "job-1") -> str:
    """The job's only note, after its time without a word and two further ticks."""
    for _ in range(3):
        long(world).dispatch()
    (note,) = notes(world, job)
    return note


def die(world: World) -> None:
    """Every launched host switches itself off before it reports, and `reap` sees that."""
    world.machines.settle()
    for instance in world.instances(InstanceState.LAUNCHING):
        world.machines.end(str(instance.instance_id), POWER_OFF)
    world.reap()


def no_capacity(world: World) -> None:
    world.machines.capacity.update({("on-demand", name): 0 for name in TYPES})


# -- the causes ------------------------------------------------------------------------------------


def test_a_cold_job_is_told_that_its_instance_is_launched() -> None:
    world = wanting("job-1")
    world.provision()
    assert told(world) == LAUNCHING


def test_a_job_on_metal_is_told_how_long_its_boot_may_take() -> None:
    world = wanting("job-1", **{"launch/instance-types": "m7i.metal-24xl"})
    world.provision()
    assert f"(m7i.metal-24xl, on-demand), up to {BOOT_MINUTES_OF_METAL} minutes." in told(world)


def test_a_job_that_begins_soon_gets_no_note() -> None:
    world = wanting("job-1")
    world.provision()
    world.after(seconds=PATIENCE.total_seconds() - 1).dispatch()
    world.make_ready()
    long(world).dispatch()
    world.accept("job-1")
    world.dispatch()
    assert notes(world) == []


def test_jobs_beyond_the_limit_are_told_the_limit_and_their_place_in_line() -> None:
    world = wanting("job-1", "job-2", "job-3", **{"limits/max-instances": "1"})
    world.provision()
    assert told(world) == LAUNCHING
    limit = f"Waiting: queue {QUEUE} has 1 instance, which is its limit."
    assert notes(world, "job-2") == [f"{limit} 1st in line."]
    assert notes(world, "job-3") == [f"{limit} 2nd in line."]


def test_jobs_beyond_the_launches_of_a_minute_are_told_so() -> None:
    world = wanting("job-1", "job-2", **{"limits/max-launches-per-minute": "1"})
    world.provision()
    long(world).dispatch()
    pace = f"Waiting: queue {QUEUE} launches at most 1 instances a minute"
    (note,) = notes(world, "job-2")
    assert note.startswith(pace)
    assert note.endswith(". 1st in line.")


def test_a_job_without_capacity_is_told_the_types_and_the_next_try_but_not_each_try() -> None:
    world = a_world()
    no_capacity(world)
    world.schedule("job-1")
    world.dispatch()
    for _ in range(3):
        world.provision()
        world.after(seconds=25)
        world.provision()  # The tick after a refusal says it.
    assert told(world).startswith(
        "Waiting: EC2 has no m7i.large or m6i.large, on-demand now, tried "
    )
    world.provision()
    for _ in range(3):
        world.after(seconds=30).dispatch()
        world.provision()
    assert len(notes(world)) == 1


def test_a_next_try_that_is_to_come_is_told() -> None:
    world = a_world()
    no_capacity(world)
    world.schedule("job-1")
    world.dispatch()
    long(world).provision()
    world.provision()
    world.dispatch()
    (at,) = world.ledger().retry_at.values()
    assert notes(world)[-1].endswith(f"tried once; next try at {at:%H:%M:%S} UTC.")


def pause_here(world: World) -> None:
    world.configure(paused="true")
    world.provision()


def pause_at_buildkite(world: World) -> None:
    world.buildkite.queues[QUEUE].paused = True


@pytest.mark.parametrize(
    ("pause", "where"), [(pause_here, "by its operators"), (pause_at_buildkite, "at Buildkite")]
)
def test_a_waiting_job_of_a_paused_queue_is_told_of_the_pause(
    pause: Callable[[World], None], where: str
) -> None:
    world = wanting("job-1")
    pause(world)
    since = f"{world.clock.now:%H:%M}"
    assert told(world) == f"Waiting: queue {QUEUE} is paused {where} since {since} UTC."


def test_a_waiting_job_of_a_queue_without_its_stack_is_told_of_no_pause() -> None:
    world = wanting("job-1")
    world.parameters.remove(f"/mayfly-infra/{STACK}/queues/{QUEUE}")
    world.provision()
    assert told(world) == f"Waiting: queue {QUEUE} is not served any more."


def test_a_job_is_told_the_hosts_reason_after_each_failed_boot_and_then_of_the_brake() -> None:
    world = wanting("job-1", **{"job/attempts": "10"})
    for _ in range(3):
        world.provision()
        long(world).dispatch()
        die(world)
    world.provision()
    for _ in range(2):  # The first of these ticks renews the reservation.
        long(world).dispatch()
    launching, again, third, braked = notes(world)
    assert launching == LAUNCHING
    for note in (again, third):
        assert note.startswith("Launching an instance again: instance i-")
        assert "EC2 ended the instance" in note
    (brake,) = world.ledger().brakes.values()
    assert brake.next_trial is not None
    assert braked.startswith(
        f"Waiting: no instance of queue {QUEUE} gets ready: "
        "3 boots in a row failed, the last one of i"
    )
    assert braked.endswith(f"; next try at {brake.next_trial:%H:%M:%S} UTC.")
    assert "EC2 ended the instance" in braked


def test_a_failed_attempt_is_told_at_once_with_its_reason() -> None:
    world = a_warm_world(2)
    world.schedule("job-1")
    world.dispatch()
    first = world.fleet.slots([key for key in [world.claim("job-1").slot] if key])[0]
    world.machines.end(str(first.instance_id), POWER_OFF)
    world.reap()
    world.dispatch()
    world.dispatch()
    assert world.claim("job-1").attempt == 2
    assert world.claim("job-1").state is ClaimState.ASSIGNED
    (note,) = notes(world)
    start = f"Attempt 1 of 3 to start this job failed: instance {first.instance_id}: EC2 ended the"
    assert note.startswith(start)


def test_a_cause_of_before_a_failed_attempt_is_told_again_after_the_attempt() -> None:
    world = wanting("job-1")
    world.provision()
    long(world).dispatch()
    world.make_ready()
    world.dispatch()
    world.machines.end(str(world.instance().instance_id), POWER_OFF)
    world.reap()
    world.dispatch()
    world.provision()
    for _ in range(3):
        long(world).dispatch()
    first, attempt, again = notes(world)
    assert "Attempt 1 of 3 to start this job failed" in attempt
    assert first == again == LAUNCHING


# -- jobs that are left to Buildkite ---------------------------------------------------------------


def test_a_job_whose_rule_is_not_met_is_told_the_rule_once() -> None:
    world = a_world()
    world.schedule("job-1", rules=(f"queue={QUEUE}", "gpu=yes"))
    for _ in range(3):
        world.dispatch()
    assert notes(world) == [NO_TAG]
    assert world.fleet.claim("job-1") is None


def test_a_waiting_job_whose_rule_is_met_no_more_is_told_the_rule_once() -> None:
    world = a_world(tags="gpu=yes")
    world.schedule("job-1", rules=("gpu=yes",))
    world.dispatch()
    world.configure(tags="disk=large")
    world.provision()
    for _ in range(3):
        world.dispatch()
    assert notes(world) == [NO_TAG]


def test_a_job_that_comes_to_a_queue_paused_by_its_operators_is_told_so_once() -> None:
    world = a_world(paused="true")
    world.schedule("job-1")
    for _ in range(3):
        world.dispatch()
    since = f"since {world.clock.now:%H:%M} UTC"
    assert notes(world) == [f"Not taken: queue {QUEUE} is paused by its operators {since}."]


def test_a_job_that_waits_for_an_unreadable_policy_is_told_so_once() -> None:
    world = a_warm_world()
    world.configure(**{"policy/rules/main": "branch main"})
    world.provision()
    world.buildkite.schedule(QUEUE, a_job(), FROM_MAIN)
    for _ in range(3):
        world.after(seconds=1).dispatch()
    assert notes(world) == [
        f"Not taken yet: the policy of queue {QUEUE} cannot be read at present."
    ]
    world.configure(**{"policy/rules/main": "branch=main"})
    world.provision()
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_the_next_invocation_repeats_no_note_of_a_job_left_alone() -> None:
    world = a_world()
    world.schedule("job-1", rules=(f"queue={QUEUE}", "gpu=yes"))
    world.after(seconds=20)
    Script(world, 10).dispatch("first")
    Script(world, 10, {8: lambda: world.schedule("job-2", rules=("gpu=yes",))}).dispatch("second")
    assert notes(world) == [NO_TAG]
    assert notes(world, "job-2") == [NO_TAG]


def test_jobs_that_came_while_nothing_ran_are_told_by_the_first_invocation() -> None:
    world = a_world().after(5)
    world.schedule("job-1", rules=("gpu=yes",))
    world.after(minutes=5)
    Script(world, 10).dispatch("first")
    assert notes(world) == [NO_TAG]


# -- how many, and what they cost ------------------------------------------------------------------


def test_a_job_gets_at_most_eight_notes_however_often_its_cause_changes() -> None:
    world = wanting("job-1")
    world.provision()
    for change in range(2 * MOST):
        world.buildkite.queues[QUEUE].paused = change % 2 == 1
        world.after(seconds=12).dispatch()
        world.dispatch()
    assert len(notes(world)) == MOST
    assert {note.partition(" since ")[0] for note in notes(world)} == {
        LAUNCHING, f"Waiting: queue {QUEUE} is paused at Buildkite"
    }  # fmt: skip
    world.fleet.calls.clear()
    world.dispatch()
    assert "ledger" not in world.fleet.calls


def test_notes_of_many_jobs_go_in_one_call_and_cost_none_while_nothing_changes() -> None:
    jobs = [f"job-{number}" for number in range(8)]
    world = wanting(*jobs)
    world.provision()
    long(world).dispatch()
    assert all(notes(world, job) == [LAUNCHING] for job in jobs)
    assert world.buildkite.calls["notify"] == 1
    for _ in range(5):
        world.after(seconds=1).dispatch(wide=False)
    world.fleet.calls.clear()
    world.buildkite.calls.clear()
    world.dispatch(wide=False)
    assert not {"ledger", "write"} & world.fleet.calls.keys()
    assert world.fleet.calls["instances"] == 1
    assert "notify" not in world.buildkite.calls


def test_a_loop_reads_what_jobs_wait_for_only_every_15_seconds() -> None:
    world = wanting("job-1", "job-2", **{"limits/max-instances": "1"})
    world.provision()
    long(world)
    world.fleet.calls.clear()
    Script(world, 60).dispatch()
    assert world.fleet.calls["ledger"] <= 4
    assert world.buildkite.calls["notify"] == 1
    assert len(notes(world)) == len(notes(world, "job-2")) == 1


# -- when telling fails ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [Transient("503"), Misconfigured("422"), NotFound("404"), Conflict("409")]
)
def test_a_failure_to_tell_is_logged_and_is_no_failure(
    error: MayflyError, caplog: pytest.LogCaptureFixture
) -> None:
    world = wanting("job-1")
    world.provision()
    world.buildkite.fail_next("notify", error)
    with caplog.at_level(logging.INFO, logger="mayfly"):
        outcome = long(world).dispatch()
    assert not outcome.unfinished
    assert not outcome.problems
    assert f"no note on the pages of jobs: {error}" in caplog.messages
    world.dispatch()
    assert notes(world) == []
    assert world.buildkite.calls["notify"] == 1


def test_a_refused_note_is_logged_with_its_job(caplog: pytest.LogCaptureFixture) -> None:
    world = wanting("job-1", "job-2")
    world.provision()
    del world.buildkite.queues[QUEUE].free["job-1"]
    del world.buildkite.known["job-1"]
    with caplog.at_level(logging.INFO, logger="mayfly"):
        long(world).dispatch(reads_states=False)
    assert "Buildkite takes no note for job job-1: job not found" in caplog.messages
    assert notes(world, "job-2") == [LAUNCHING]


def test_a_note_whose_claim_cannot_be_saved_is_not_sent() -> None:
    world = wanting("job-1", "job-2")
    world.provision()
    world.fleet.fail_next("write", Conflict("provision was first"), times=2)
    long(world).dispatch()
    assert sorted([*notes(world), *notes(world, "job-2")]) == [LAUNCHING]
    world.dispatch()
    assert notes(world) == notes(world, "job-2") == [LAUNCHING]


def test_a_slow_answer_to_a_note_holds_up_no_binding() -> None:
    world = a_warm_world()
    world.schedule("job-0", rules=("gpu=yes",))
    world.schedule("job-1")
    states: list[ClaimState] = []
    notify = world.buildkite.notify

    def watched(notes: Mapping[str, str]) -> Mapping[str, str]:
        states.append(world.claim("job-1").state)
        return notify(notes)

    world.buildkite.notify = watched  # type: ignore[method-assign]
    world.dispatch()
    assert states == [ClaimState.ASSIGNED]


def test_the_claim_of_a_closed_job_gets_no_note() -> None:
    world = wanting("job-1")
    world.provision()
    world.buildkite.cancel("job-1")
    long(world).dispatch()
    assert {c.state for c in world.fleet.all(Claim)} == {ClaimState.RELEASED}
    assert notes(world) == []
