"""Many jobs that a policy denies at once: Buildkite is told side by side, a few in each tick."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from mayfly.dispatch import apply as module
from mayfly.dispatch.apply import FAILED_AT_ONCE
from mayfly.errors import Misconfigured, Transient
from mayfly.metrics import Metric
from mayfly.records.states import ClaimState
from tests.unit.builders import a_job
from tests.unit.world import World, a_warm_world

C = ClaimState
ELSEWHERE = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BRANCH": "feature",
    "BUILDKITE_PULL_REQUEST": "false",
}


def denying(count: int) -> World:
    """A hot, open queue, and a restricted queue with this many jobs that its policy denies."""
    world = a_warm_world()
    world.publish("closely")
    world.configure("closely", **{"policy/rules/main": "branch=main"})
    world.provision()
    for number in range(count):
        job = a_job(f"denied-{number:02}", rules=("queue=closely",))
        world.buildkite.schedule("closely", job, ELSEWHERE)
    return world


def denied(world: World) -> int:
    return sum(known.state == "finished" for known in world.buildkite.known.values())


def test_a_tick_fails_a_few_denied_jobs_and_later_ticks_the_others() -> None:
    world = denying(2 * FAILED_AT_ONCE + 1)
    world.dispatch()
    assert denied(world) == FAILED_AT_ONCE
    assert world.buildkite.calls["reserve"] == 1
    world.schedule("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED
    assert denied(world) == 2 * FAILED_AT_ONCE
    world.dispatch()
    assert denied(world) == 2 * FAILED_AT_ONCE + 1
    assert world.buildkite.calls["finish"] == 2 * FAILED_AT_ONCE + 1


def test_denied_jobs_are_failed_side_by_side() -> None:
    world = denying(FAILED_AT_ONCE)
    together = threading.Barrier(FAILED_AT_ONCE)
    finish = world.buildkite.finish

    def slow(job: str, reason: str, queue: str) -> None:
        together.wait(10)
        finish(job, reason, queue)

    vars(world.buildkite)["finish"] = slow
    assert world.dispatch().left.total() == 0
    assert denied(world) == FAILED_AT_ONCE


def test_jobs_that_buildkite_cannot_fail_starve_no_other() -> None:
    world = denying(FAILED_AT_ONCE + 2)
    finish = world.buildkite.finish

    def refuse(job: str, reason: str, queue: str) -> None:
        if job != f"denied-{FAILED_AT_ONCE + 1:02}":
            raise Transient("500")
        finish(job, reason, queue)

    vars(world.buildkite)["finish"] = refuse
    for _ in range(FAILED_AT_ONCE + 2):
        world.dispatch()
        world.after(seconds=1)
    assert denied(world) == 1


def test_a_failure_that_hangs_holds_up_no_other_and_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FAIL_SECONDS", 0.1)
    world = denying(2)
    gate, finish = threading.Event(), world.buildkite.finish

    def hang(job: str, reason: str, queue: str) -> None:
        if job == "denied-00":
            assert gate.wait(10)
        else:
            finish(job, reason, queue)

    vars(world.buildkite)["finish"] = hang
    assert world.dispatch().left.total() == 1
    assert [world.claim(f"denied-0{n}").told for n in range(2)] == [False, True]
    vars(world.buildkite)["finish"] = finish
    world.dispatch()
    gate.set()
    assert denied(world) == 2
    assert world.claim("denied-00").told


# -- of several queues -----------------------------------------------------------------------------


def a_world_with_denied_jobs_of_two_queues() -> World:
    world = denying(1)
    world.publish("strictly")
    world.configure("strictly", **{"policy/rules/main": "branch=main"})
    world.provision()
    world.buildkite.schedule(
        "strictly", a_job("denied-strictly", rules=("queue=strictly",)), ELSEWHERE
    )
    return world


def asked_queues(world: World) -> list[str]:
    """The queues of the calls that reserve jobs, from now on."""
    asked: list[str] = []
    reserve = world.buildkite.reserve

    def noted(jobs: Sequence[str], seconds: int, queue: str) -> frozenset[str]:
        asked.append(queue)
        return reserve(jobs, seconds, queue)

    vars(world.buildkite)["reserve"] = noted
    return asked


def test_one_call_about_denied_jobs_of_two_queues_names_neither_as_the_queue() -> None:
    """Buildkite's refusal of the call would otherwise hold up the first queue's reservations."""
    world = a_world_with_denied_jobs_of_two_queues()
    asked = asked_queues(world)
    world.dispatch()
    assert asked == [""]
    assert denied(world) == 2


def test_a_call_about_denied_jobs_of_one_queue_names_the_queue() -> None:
    world = denying(2)
    asked = asked_queues(world)
    world.dispatch()
    assert asked == ["closely"]


EACH = {("closely", "denied-00"), ("strictly", "denied-strictly")}


def test_each_denied_job_that_cannot_be_reserved_now_is_logged_with_its_own_queue(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = a_world_with_denied_jobs_of_two_queues()
    world.buildkite.fail_next("reserve", Transient("503"))
    world.dispatch()
    found = [vars(line) for line in caplog.records if "FailJob" in line.message]
    assert {(line["queue"], line["job"]) for line in found} == EACH
    assert all(f"FailJob of queue {line['queue']}: 503" in line["message"] for line in found)


def test_each_denied_job_that_buildkite_forbids_to_reserve_is_a_problem_of_its_own_queue() -> None:
    world = a_world_with_denied_jobs_of_two_queues()
    world.buildkite.fail_next("reserve", Misconfigured("422"))
    outcome = world.dispatch()
    assert outcome.unlogged == {
        f"FailJob of queue {queue}: 422": {"queue": queue, "job": job} for queue, job in EACH
    }
    counted = {
        series.queue: count
        for series, count in outcome.of_queues.total.items()
        if series.metric is Metric.QUEUE_PROBLEMS
    }
    assert counted == {queue: 1 for queue, _ in EACH}
