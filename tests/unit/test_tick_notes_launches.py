"""Notes of jobs whose launch EC2 does not answer, or has refused long ago."""

from __future__ import annotations

from dataclasses import replace

from mayfly.records.changes import Save
from tests.unit.builders import QUEUE
from tests.unit.test_tick_notes import no_capacity, notes, told
from tests.unit.world import a_world


def test_a_job_of_a_full_queue_is_told_of_the_limit_once_its_refusals_are_old() -> None:
    world = a_world(**{"limits/max-instances": "1"})
    no_capacity(world)
    world.schedule("job-1")
    world.dispatch()
    for _ in range(3):
        world.provision()
        world.after(seconds=25)
    assert told(world).startswith("Waiting: EC2 has no m7i.large or m6i.large, on-demand now.")
    world.fleet.write([Save(replace(world.ledger(), live=1))])
    for _ in range(6):
        world.after(1).dispatch()
        world.dispatch()
    assert notes(world)[1:] == [
        f"Waiting: queue {QUEUE} is at its limit of 1 instances. 1st in line."
    ]
