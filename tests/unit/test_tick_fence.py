"""A dispatch whose lease was taken over: none of its writes reaches a record or a mailbox row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mayfly.dispatch.lease import take
from mayfly.errors import Transient
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE, a_job, row
from tests.unit.world import World, a_warm_world, a_world, wanting


def opening() -> World:
    world = a_world()
    world.schedule("job-1")
    return world


def renewing() -> World:
    return wanting("job-1").after(1, seconds=1)


def releasing() -> World:
    world = wanting("job-1")
    world.buildkite.cancel("job-1")
    return world


def binding() -> World:
    world = wanting("job-1")
    world.provision()
    world.make_ready()
    return world


def binding_without_token() -> World:
    world = binding().after(1, seconds=1)
    world.buildkite.fail_next("tokens", Transient("429"))
    return world


def accepting() -> World:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    return world


def telling() -> World:
    world = a_warm_world(**{"policy/rules/main": "branch=main"})
    environment = {"BUILDKITE_BRANCH": "feature", "BUILDKITE_PULL_REQUEST": "false"}
    world.buildkite.schedule(QUEUE, a_job("job-1"), environment)
    world.buildkite.fail_next("finish", Transient("429"))
    world.dispatch()
    return world


WORLDS = [
    opening,
    renewing,
    releasing,
    binding,
    binding_without_token,
    accepting,
    telling,
]


@pytest.mark.parametrize("world_of", WORLDS, ids=lambda made: made.__name__)
def test_a_dispatch_that_lost_its_lease_writes_nothing(world_of: Callable[[], World]) -> None:
    world = world_of()
    take(world.fleet, "the next invocation", world.clock.now)
    records = dict(world.fleet.records)
    assignments = {key: kept.assignment for key, kept in world.mailbox.rows.items()}
    outcome = world.dispatch()
    assert outcome.lost_races > 0
    assert world.fleet.records == records
    assert {key: kept.assignment for key, kept in world.mailbox.rows.items()} == assignments


@pytest.mark.parametrize("world_of", WORLDS, ids=lambda made: made.__name__)
def test_a_dispatch_that_holds_its_lease_writes(world_of: Callable[[], World]) -> None:
    world = world_of()
    records = dict(world.fleet.records)
    world.dispatch()
    assert world.fleet.records != records


def test_a_job_bound_under_the_lease_has_claim_instance_and_assignment() -> None:
    world = binding()
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED
    assert world.instance().state is InstanceState.ASSIGNED
    assert world.mailbox.rows[row(world.instance())].assignment is not None
