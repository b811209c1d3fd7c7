"""Trouble of AWS that lasts seconds: boots fail, and no job fails for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.records.brakes import TRIP
from mayfly.records.ledger import Brake
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.hosts import POWER_OFF
from tests.unit.world import World, wanting

S = InstanceState


def brake(world: World) -> Brake:
    """The only brake there is, as the ledger has it."""
    (only,) = world.ledger().brakes.values()
    return only


def for_seconds(world: World, seconds: int) -> None:
    """Each boot ends 1.2 s after its launch, and all functions tick again at once."""
    end = world.clock.now + timedelta(seconds=seconds)
    while world.clock.now < end:
        world.dispatch()
        world.provision()
        world.after(seconds=1.2)
        world.machines.settle()
        for instance in world.instances(S.LAUNCHING):
            world.machines.end(str(instance.instance_id), POWER_OFF)
        world.reap()
        world.after(seconds=0.3)


@pytest.mark.parametrize("attempts", ["2", "3"])
def test_a_hiccup_of_seconds_fails_no_job(attempts: str) -> None:
    world = wanting("job-1", **{"job/attempts": attempts})
    for_seconds(world, 40)
    braked = brake(world)
    assert (len(braked.rounds), len(world.machines.machines)) == (TRIP, TRIP)
    assert braked.next_trial is not None
    assert world.claim("job-1").state is ClaimState.WAITING
    note = world.buildkite.known["job-1"].notes[-1]
    assert f"next try at {braked.next_trial:%H:%M:%S} UTC" in note
    world.after(minutes=1).provision()
    world.make_ready()
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_trouble_that_outlasts_the_first_pause_fails_the_job() -> None:
    world = wanting("job-1")
    for_seconds(world, 60)
    assert world.claim("job-1").state is ClaimState.WAITING
    for_seconds(world, 12)
    assert len(world.machines.machines) == TRIP + 1
    assert "Mayfly gave up: 4 boots" in world.claim("job-1").reason


def test_a_job_of_one_attempt_fails_with_its_first_boot() -> None:
    world = wanting("job-1", **{"job/attempts": "1"})
    for_seconds(world, 3)
    world.dispatch()
    assert len(world.machines.machines) == 1
    assert world.claim("job-1").state is ClaimState.FAILED
