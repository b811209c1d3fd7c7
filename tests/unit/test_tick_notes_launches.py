"""Notes of jobs whose launch EC2 does not answer, or has refused long ago."""

from __future__ import annotations

from dataclasses import replace

from mayfly.errors import Transient
from mayfly.records.changes import Save
from tests.unit.builders import QUEUE
from tests.unit.test_tick_notes import LAUNCHING, no_capacity, notes, told
from tests.unit.world import a_world


def test_a_job_whose_launch_ec2_does_not_answer_is_told_so_and_then_of_its_boot() -> None:
    world = a_world()
    world.schedule("job-1")
    world.dispatch()
    world.machines.fail_next("create_fleet", Transient("RequestLimitExceeded"), times=4)
    asked = world.after(seconds=1).clock.now
    for _ in range(4):
        world.provision()
        world.after(seconds=5)
        world.dispatch()
    text = "Waiting: EC2 has not answered the launch of m7i.large or m6i.large, on-demand since "
    assert notes(world) == [f"{text}{asked:%H:%M:%S} UTC, and is asked again until it does."]
    world.provision()
    world.dispatch()
    assert notes(world)[1:] == [LAUNCHING]


def test_a_job_of_a_full_queue_is_told_of_the_limit_once_its_refusals_are_old() -> None:
    world = a_world(**{"limits/max-instances": "1"})
    no_capacity(world)
    world.schedule("job-1")
    world.dispatch()
    for _ in range(3):
        world.provision()
        world.after(seconds=25)
    assert told(world).startswith("Waiting: EC2 has no m7i.large or m6i.large, on-demand now")
    world.fleet.write([Save(replace(world.ledger(), live=1))])
    for _ in range(6):
        world.after(1).provision()
        world.dispatch()
        world.dispatch()
    limit = f"Waiting: queue {QUEUE} has 1 instance, which is its limit. 1st in line."
    assert notes(world)[1:] == [limit]
