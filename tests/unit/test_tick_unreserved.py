"""Listed jobs that Buildkite does not reserve take no places from jobs that could run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mayfly.dispatch.opened import LOOK_AHEAD
from mayfly.errors import Misconfigured
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE
from tests.unit.world import World, a_world

C, S = ClaimState, InstanceState
PLACES = 5 + LOOK_AHEAD


def waiting(world: World) -> set[str]:
    return {claim.job for claim in world.fleet.all(Claim) if claim.state is C.WAITING}


def keep_unreserved(world: World, *jobs: str) -> None:
    """From now on Buildkite reserves each job but these."""
    real = world.buildkite.reserve

    def reserve(asked: Sequence[str], seconds: int, queue: str = "") -> frozenset[str]:
        return real([job for job in asked if job not in jobs], seconds, queue)

    vars(world.buildkite)["reserve"] = reserve


def a_world_with_unreserved(count: int) -> tuple[World, list[str]]:
    """A world of five instances at most with this many old jobs that Buildkite does not reserve."""
    world = a_world(**{"limits/max-instances": "5"})
    jobs = [f"odd-{n:03}" for n in range(count)]
    keep_unreserved(world, *jobs)
    world.schedule(*jobs)
    return world, jobs


@pytest.mark.parametrize("count", [20, 100])
def test_jobs_that_buildkite_does_not_reserve_delay_a_normal_job_by_seconds(count: int) -> None:
    world, _ = a_world_with_unreserved(count)
    for tick in range(60 * 5):
        if tick == 10:
            world.schedule("normal")
        if not tick % 30:
            world.seen = {}  # the next invocation of dispatch remembers nothing
        world.dispatch()
        claim = world.fleet.claim("normal")
        if claim is not None and claim.reserved(world.clock.now):
            break
        world.after(seconds=2)
    assert claim is not None
    assert claim.reserved(world.clock.now)
    assert tick <= 10 + 10


def test_a_normal_job_that_comes_while_others_are_given_back_waits_no_longer() -> None:
    world, _ = a_world_with_unreserved(20)
    for minute in range(4):
        for _ in range(30):
            world.dispatch()
            world.after(seconds=2)
        name = f"normal-{minute}"
        world.schedule(name)
        world.dispatch()
        world.after(seconds=2)
        world.dispatch()
        assert world.claim(name).reserved(world.clock.now)
    assert waiting(world) >= {f"normal-{minute}" for minute in range(4)}


def test_a_job_that_buildkite_reserves_again_holds_its_place_and_gets_its_instance() -> None:
    world, jobs = a_world_with_unreserved(PLACES)
    world.dispatch()
    world.dispatch()
    assert world.seen["deploy"].refused == set(jobs)
    vars(world.buildkite).pop("reserve")
    world.dispatch()
    assert world.seen["deploy"].refused == frozenset()
    world.schedule("later")
    world.dispatch()
    assert world.fleet.claim("later") is None


def test_jobs_that_buildkite_does_not_reserve_are_named_once_and_told_each_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    world, _ = a_world_with_unreserved(2)
    for _ in range(5):
        outcome = world.dispatch()
        world.after(seconds=1)
    line = "Buildkite did not reserve jobs odd-000, odd-001"
    assert caplog.messages.count(line) == 1
    assert outcome.as_dict()["held"] == [
        "queue deploy: Buildkite does not reserve 2 jobs, odd-000 among them; 2 jobs wait"
    ]


def test_a_call_that_buildkite_refuses_as_a_whole_opens_no_further_claims() -> None:
    world = a_world(**{"limits/max-instances": "5"})
    world.schedule(*[f"job-{n:02}" for n in range(40)])
    world.buildkite.fail_next("reserve", Misconfigured("403"), times=999)
    for _ in range(20):
        outcome = world.dispatch()
        world.after(seconds=2)
    assert len(waiting(world)) == PLACES
    assert outcome.problems == [f"ReserveJobs of queue {QUEUE}: 403"]
