"""Processes killed for lack of memory: what the host counts, reports and says on its console."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly_instance.memory import KillCount, Kills, read
from tests.instance.fake_machine import Act
from tests.instance.worlds import World, an_assignment

EVENTS = "low 0\nhigh 0\nmax 72\noom {oom}\noom_kill {kills}\noom_group_kill 0\n"
ONE = "the kernel killed a process of the job for memory: the instance ran out of it"


@pytest.mark.parametrize(
    ("kills", "oom", "said"),
    [
        (0, 0, ""),
        (0, 3, ""),
        (1, 0, ONE),
        (2, 0, ONE.replace("a process", "2 processes")),
        (
            1,
            1,
            ONE.replace("the instance ran out of it", "a memory limit inside the job was reached"),
        ),
    ],
)
def test_memory_events_are_told_as_a_clause(
    tmp_path: Path, kills: int, oom: int, said: str
) -> None:
    (tmp_path / "memory.events").write_text(EVENTS.format(kills=kills, oom=oom))

    assert read(tmp_path) == Kills(kills, oom)
    assert str(read(tmp_path)) == said


def test_nothing_is_known_of_a_cgroup_without_memory_events(tmp_path: Path) -> None:
    assert read(tmp_path) is None


def kill_one(world: World) -> None:
    world.machine.memory_events = EVENTS.format(kills=1, oom=0)


def test_a_job_with_a_killed_process_ends_by_itself_and_the_report_names_memory(
    world: World,
) -> None:
    world.clock.after(30, lambda: kill_one(world))
    world.machine.acts["mayfly-job"] = Act(code=0, lasts=60)
    world.run()

    assert world.agent().signals == []
    assert (world.last_report["phase"], world.last_report["exit"]) == ("done", 0)
    assert world.last_report["reason"] == ONE
    assert world.console.count(ONE) == 1


def test_the_report_of_a_stopped_job_names_memory_after_the_cause_of_the_stop(
    world: World,
) -> None:
    world.clock.after(30, lambda: kill_one(world))
    world.machine.acts["mayfly-job"] = Act(lasts=100_000)
    world.assignment = an_assignment(max_minutes=2)
    world.run()

    limit = "the job ran for its limit of 2 minutes"
    assert world.last_report["reason"] == f"{limit}; {ONE}"


def test_a_kill_is_counted_that_ends_the_agent_itself(world: World) -> None:
    """The agent's pid is gone by then, but processes of the job still hold its cgroup."""
    world.machine.acts["mayfly-job"] = Act(code=-9, lasts=60)
    world.clock.after(59.99, lambda: kill_one(world))
    world.run()

    assert world.last_report["exit"] == -9
    assert world.last_report["reason"] == ONE


def test_a_count_outlives_its_cgroup(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=60)
    world.run()
    kill_one(world)
    count = KillCount(world.machine, world.agent().pid)

    assert count.look()
    assert not count.look()
    scope = world.machine.cgroup(world.agent().pid)
    assert scope is not None
    world.machine.memory_events = ""
    scope.joinpath("memory.events").unlink()
    assert not count.look()
    assert count.kills == Kills(1, 0)
