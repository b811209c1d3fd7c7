"""A job that its host refuses ends with the reason on its page, whoever hears first of the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mayfly.records.states import ClaimState
from mayfly_cli.listings.failed import Outcome, outcome_of
from tests.unit.hosts import POWER_OFF
from tests.unit.world import World, a_warm_world, running

WHY = "the job is refused: /vendors/buildkite/q/app/env/ld-preload cannot be given"
NOTE = "The job is refused: /vendors/buildkite/q/app/env/ld-preload cannot be given"


def notes(world: World) -> list[str]:
    return world.buildkite.known["job-1"].notes


def end_at_host(world: World) -> None:
    world.report(world.instance(), "done", exit=0, reason=WHY)


def end_at_buildkite(world: World) -> None:
    world.buildkite.start("job-1")
    world.buildkite.end("job-1")


def host_first(world: World) -> None:
    end_at_host(world)
    world.reap()
    end_at_buildkite(world)


def buildkite_first(world: World) -> None:
    end_at_buildkite(world)
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.FINISHED
    end_at_host(world)
    world.reap()


def off_at_once(world: World) -> None:
    end_at_host(world)
    world.machines.end(str(world.instance().instance_id), POWER_OFF)
    world.reap()
    end_at_buildkite(world)


def off_after_buildkite(world: World) -> None:
    end_at_buildkite(world)
    world.dispatch()
    end_at_host(world)
    world.machines.end(str(world.instance().instance_id), POWER_OFF)
    world.reap()


ORDERS = [host_first, buildkite_first, off_at_once, off_after_buildkite]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_the_page_is_told_once_in_any_order_of_events(order: Callable[[World], None]) -> None:
    world = running()
    order(world)
    for _ in range(3):
        world.after(seconds=1).dispatch(wide=False)
        world.reap()
    assert notes(world) == [NOTE]
    claim = world.claim("job-1")
    assert (claim.state, claim.reason) == (ClaimState.FINISHED, WHY)
    assert (claim.told, claim.open) == (True, False)
    assert outcome_of(claim, None) is Outcome.DENIED


def test_a_job_that_ended_before_its_acceptance_was_read_is_told_too() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    end_at_host(world)
    world.reap()
    end_at_buildkite(world)
    for _ in range(3):
        world.after(seconds=1).dispatch(wide=False)
        world.reap()
    assert notes(world) == [NOTE]


def test_a_long_reason_is_cut_on_the_page_alone() -> None:
    world = running()
    world.report(world.instance(), "done", exit=0, reason=WHY + " ü" * 200)
    world.reap()
    world.dispatch()
    (note,) = notes(world)
    assert note.startswith(NOTE)
    assert len(note.encode()) <= 255
    assert len(world.claim("job-1").reason) > 400
