"""Causes in the job's own log: what the supervisor writes, and when it lets the hook run."""

from __future__ import annotations

import os
import stat

import pytest

from mayfly_instance import causes
from mayfly_instance.failure import GoingDown
from tests.instance.fake_machine import Act
from tests.instance.worlds import World, an_assignment, in_minutes


def told(world: World) -> str:
    """What the hook would tell: nothing unless it is linked."""
    hooks, cause = world.machine.places.hooks, world.machine.places.cause
    linked = (hooks / "pre-exit").is_symlink()
    return cause.read_text() if linked and cause.exists() else ""


def at_the_quit(world: World) -> list[str]:
    """What the hook would tell when the agent gets its signal: the job's hooks run after it."""
    seen: list[str] = []
    act = Act(lasts=100_000, does=lambda _: world.clock.after(0.01, watch))

    def watch() -> None:
        program = world.agent()
        send = program.send_signal

        def signalled(number: int) -> None:
            seen.append(told(world))
            send(number)

        program.send_signal = signalled

    world.machine.acts["mayfly-job"] = act
    return seen


def test_a_job_over_its_limit_is_told_the_limit_before_its_agent_is_stopped(world: World) -> None:
    world.assignment = an_assignment(max_minutes=20)
    seen = at_the_quit(world)
    world.run()

    assert seen == ["the queue's limit of 20 minutes (job/max-minutes) is over.\n"]


def test_a_spot_job_is_told_the_time_of_the_interruption(world: World) -> None:
    seen = at_the_quit(world)
    world.clock.after(30, lambda: setattr(world.metadata, "spot", in_minutes(4)))
    world.run()

    (line,) = seen
    assert line.startswith("EC2 takes this spot instance back at 08:04:00 UTC. Retry with ")
    assert "signal_reason agent_stop" in line


def test_a_spot_notice_without_a_time_is_told_without_one(world: World) -> None:
    seen = at_the_quit(world)
    world.clock.after(30, lambda: setattr(world.metadata, "spot", "soon\n+++ forged"))
    world.run()

    assert seen == [f"{causes.spot('')}\n"]


def test_a_job_on_a_machine_that_goes_down_is_told_so(world: World) -> None:
    def go_down() -> None:
        raise GoingDown("the machine is going down")

    seen = at_the_quit(world)
    world.clock.after(60, go_down)
    world.run()

    assert seen == [f"{causes.GOING_DOWN}\n"]


def test_a_job_that_ends_by_itself_has_no_cause_and_no_hook(world: World) -> None:
    world.run()

    assert not world.machine.places.cause.exists()
    assert not (world.machine.places.hooks / "pre-exit").exists()


def test_a_full_disk_does_not_keep_the_host_from_stopping_the_job(world: World) -> None:
    world.assignment = an_assignment(max_minutes=1)
    world.machine.acts["mayfly-job"] = Act(
        lasts=100_000, does=lambda _: world.machine.places.cause.mkdir()
    )
    world.run()

    assert world.agent().signals == [3]
    assert "the job's log does not tell the cause" in world.console


def test_the_files_of_the_hook_are_roots_and_readable_by_the_job(world: World) -> None:
    world.assignment = an_assignment(max_minutes=1)
    world.machine.acts["mayfly-job"] = Act(lasts=100_000)
    world.run()

    places = world.machine.places
    assert stat.S_IMODE(places.cause.stat().st_mode) == 0o644
    assert stat.S_IMODE(places.hooks.stat().st_mode) & 0o022 == 0
    new = str(places.cause.with_name(".cause.new"))
    assert ["chown", "root", new] in world.machine.commands
    assert places.cause.stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("says", "tells"),
    [
        ("mayfly: there is no ssh key for git.example.org\n", "no key for git.example.org: its"),
        ("mayfly: there is no ssh key for git.example.org; rm\n", ""),
        ("cloning\n", ""),
    ],
)
def test_a_missing_key_is_told_only_if_the_check_before_the_job_found_it(
    world: World, says: str, tells: str
) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=10, says=says)
    world.run()

    file = world.machine.places.no_key
    assert file.exists() == bool(tells)
    assert not tells or f"queue deploy has {tells}" in file.read_text()
    assert (world.machine.places.hooks / "pre-exit").is_symlink() == bool(tells)


def test_a_missing_key_is_told_before_the_checkout_gives_up(world: World) -> None:
    """A checkout without a key takes a real agent four seconds."""
    known: list[float] = []
    says = "mayfly: there is no ssh key for git.example.org\n"

    def look() -> None:
        known.append(world.machine.places.no_key.exists())

    world.machine.acts["mayfly-job"] = Act(
        lasts=10, says=says, does=lambda _: world.clock.after(1.5, look)
    )
    world.run()

    assert known == [True]
