"""Processes killed for lack of memory: what the host counts, reports and says on its console."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path

import pytest

from mayfly_instance.clock import Clock
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
    file = tmp_path / "memory.events"
    file.write_text(EVENTS.format(kills=kills, oom=oom))
    events = os.open(file, os.O_RDONLY)

    assert read(events) == Kills(kills, oom)
    assert str(read(events)) == said
    os.close(events)


def test_nothing_is_known_of_a_cgroup_whose_events_cannot_be_read(tmp_path: Path) -> None:
    events = os.open(tmp_path, os.O_RDONLY)

    assert read(events) is None
    os.close(events)


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


@pytest.mark.parametrize("operator_hook", [False, True])
def test_the_jobs_log_is_told_by_a_hook_that_is_there_only_after_a_kill(
    world: World, operator_hook: bool
) -> None:
    hooks = world.machine.places.hooks
    theirs = world.machine.places.operator_hooks / "pre-exit"
    before: list[bool] = []
    if operator_hook:
        world.add_script(Act(does=lambda _: theirs.write_text("true\n")))
    world.clock.after(29, lambda: before.append((hooks / "pre-exit").is_symlink()))
    for second in (30, 40):
        world.clock.after(second, lambda: kill_one(world))
    world.machine.acts["mayfly-job"] = Act(code=0, lasts=60)
    world.run()

    assert before == [operator_hook]
    assert (hooks / "pre-exit").readlink() == hooks / "tell-causes"
    moved = hooks / "pre-exit.operator"
    assert moved.is_symlink() == operator_hook
    assert not operator_hook or moved.readlink() == theirs


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
    count.close()
    scope.joinpath("memory.events").unlink()
    assert not count.look()
    assert count.kills == Kills(1, 0)


def test_a_wait_ends_when_the_count_changes(world: World) -> None:
    """A file of a cgroup tells a change as POLLPRI; a socket's urgent data does so here."""
    listening = socket.create_server(("127.0.0.1", 0))
    sending = socket.create_connection(listening.getsockname())
    receiving, _ = listening.accept()
    change = select.poll()
    change.register(receiving, select.POLLPRI)
    clock = Clock()
    began = clock.seconds()
    sending.send(b"!", socket.MSG_OOB)
    clock.wait(change, 5)

    assert clock.seconds() - began < 4
    for each in (sending, receiving, listening):
        each.close()
