"""Edges of notes: a handover of the lease, a renewal in the same tick, and one boot of two."""

from __future__ import annotations

from mayfly.dispatch.bound import RENEW_BEFORE, RESERVATION
from tests.unit.builders import QUEUE, TYPES
from tests.unit.script import Script
from tests.unit.world import World, a_world, wanting


def notes(world: World, job: str = "job-1") -> list[str]:
    return world.buildkite.known[job].notes


def test_a_job_that_came_between_two_invocations_is_told_by_the_second() -> None:
    world = a_world()
    Script(world, 10).dispatch("first")
    world.schedule("job-1", rules=(f"queue={QUEUE}", "gpu=yes"))
    Script(world, 10).dispatch("second")
    assert len(notes(world)) == 1


def test_a_note_waits_for_the_tick_after_a_renewal() -> None:
    world = wanting("job-1")
    world.provision()
    world.after(seconds=(RESERVATION - RENEW_BEFORE).total_seconds() + 1)
    assert world.dispatch().lost_races == 0
    assert notes(world) == []
    assert world.dispatch().lost_races == 0
    assert len(notes(world)) == 1


def test_of_two_jobs_the_one_with_a_boot_is_told_of_it_and_the_other_of_the_refusal() -> None:
    world = wanting("job-1", "job-2")
    world.machines.capacity = {("on-demand", TYPES[0]): 1, ("on-demand", TYPES[1]): 0}
    world.provision()
    world.provision()
    assert len(world.instances()) == 1 + 2
    world.provision()
    world.after(seconds=25).dispatch()
    assert notes(world, "job-1")[0].startswith("Launching an instance for this job")
    assert notes(world, "job-2")[0].startswith("Waiting: EC2 has no ")
