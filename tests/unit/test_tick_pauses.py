"""A pause at Buildkite reaches `provision`, which never asks Buildkite."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly.config.queue import in_force
from mayfly.errors import Conflict, MayflyError, Transient
from mayfly.provision.decide import given_up
from mayfly.provision.gather import gather
from mayfly.provision.view import ProvisionView
from mayfly.records.brakes import set_up
from mayfly.records.ledger import Brake
from mayfly.records.model import QueueRecord
from mayfly.records.states import InstanceState
from tests.unit.builders import QUEUE
from tests.unit.world import World, a_warm_world, wanting

S = InstanceState
JOBS = [f"job-{number}" for number in range(10)]


def pause(world: World, *, begins: bool = True) -> World:
    """An operator pauses or resumes the queue at Buildkite, and `dispatch` lists the queue."""
    world.buildkite.queues[QUEUE].paused = begins
    world.after(seconds=1).dispatch()
    return world


def record(world: World) -> QueueRecord:
    (only,) = world.fleet.all(QueueRecord)
    return only


def view(world: World, **changes: object) -> ProvisionView:
    stale = replace(record(world), **changes)  # type: ignore[arg-type]  # by test
    return gather(stale, world.provision_ports, world.clock.now)


def test_a_pause_just_after_the_reservation_launches_nothing_until_it_ends() -> None:
    world = pause(wanting(*JOBS))
    for _ in range(4):
        world.provision()
        world.after(1).dispatch()
    assert world.instances() == []
    world.nudges.sent.clear()
    pause(world, begins=False)
    assert "the queue is paused at Buildkite no more" in world.nudges.sent
    world.provision()
    assert len(world.instances()) == 10


def test_a_pause_of_seconds_wakes_provision_at_its_end() -> None:
    world = pause(wanting(*JOBS))
    world.nudges.sent.clear()
    pause(world, begins=False)
    assert world.nudges.sent == ["the queue is paused at Buildkite no more"]
    world.provision()
    assert len(world.instances()) == 10


def test_a_pause_is_written_once_and_survives_a_change_of_the_configuration() -> None:
    world = pause(wanting("job-1"))
    assert record(world).paused_at_buildkite
    world.fleet.calls.clear()
    for _ in range(3):
        world.after(seconds=1).dispatch(wide=False)
    assert world.fleet.calls["write"] == 0
    world.configure(**{"job/max-minutes": "7"})
    world.provision()
    assert record(world).paused_at_buildkite
    assert world.instances() == []


def test_a_tick_that_still_sees_the_old_record_does_not_write_again() -> None:
    world = wanting("job-1")
    old = record(world)
    pause(world)
    assert record(world).version == old.version + 1
    world.seen = {QUEUE: replace(world.seen[QUEUE], pause_written=record(world).version)}
    world.fleet.calls.clear()
    pause(world, begins=False)
    assert world.fleet.calls["write"] == 0


@pytest.mark.parametrize("error", [Transient("throttled"), Conflict("changed meanwhile")])
def test_a_pause_that_cannot_be_written_is_written_by_the_next_tick(error: MayflyError) -> None:
    world = wanting("job-1")
    world.fleet.fail_next("write", error)
    assert not record(pause(world)).paused_at_buildkite
    assert record(pause(world)).paused_at_buildkite


def test_an_index_that_lags_behind_the_end_of_a_pause_holds_up_no_launch() -> None:
    world = wanting("job-1")
    world.fleet.calls.clear()
    assert not view(world, paused_at_buildkite=True).paused
    assert not view(world).paused
    assert world.fleet.calls["queue"] == 1


def test_a_pause_at_buildkite_keeps_the_pool() -> None:
    world = pause(a_warm_world(2))
    world.after(30).provision()
    assert len(world.instances(S.READY)) == 2


def test_a_paused_job_is_not_given_up_and_is_told_why_it_waits() -> None:
    world = pause(wanting("job-1"))
    config = in_force(record(world))
    assert config is not None
    now = world.clock.now
    ends = tuple(now + timedelta(minutes=minute) for minute in range(1, 10))
    brake = Brake(set_up(record(world).spec, 5), now, now, rounds=ends)
    paused = view(world)
    ledger = replace(paused.ledger, brakes={str(world.claim("job-1").shape): brake})
    paused = replace(paused, ledger=ledger)
    assert list(given_up(replace(paused, paused=False), config))
    assert not list(given_up(paused, config))
