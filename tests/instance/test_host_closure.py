"""A service of the image flushes the packet filter: before the job, in it, and on a kept host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.instance.fake_machine import Act
from tests.instance.worlds import (
    CLOSED_TO_ALL,
    CLOSED_TO_JOBS,
    HOST,
    SANDBOX_ROW,
    World,
    an_assignment,
    assert_failed,
)

REASON = "the metadata rules were removed while the job ran"


def flush(world: World) -> None:
    """What `nft flush ruleset` does."""
    world.machine.rules = ""


def flush_for_good(world: World) -> None:
    flush(world)
    world.machine.rules_work = False


def during_the_job(world: World, seconds: float, event: Callable[[World], None]) -> None:
    world.machine.acts["mayfly-job"] = Act(
        lasts=10_000, does=lambda _: world.clock.after(seconds, lambda: event(world))
    )


@pytest.mark.parametrize(
    ("imds", "minutes", "rules"), [("supervisor", 60, CLOSED_TO_JOBS), ("off", 60, CLOSED_TO_ALL)]
)
def test_a_job_whose_metadata_rules_are_gone_is_stopped_and_the_rules_are_set_again(
    world: World, imds: str, minutes: int, rules: str
) -> None:
    world.assignment = an_assignment(imds=imds, max_minutes=minutes)
    during_the_job(world, 61, flush)
    world.run()

    began = world.agent().ends - 3
    assert world.agent().signals == [3]
    assert world.last_report["reason"] == REASON
    assert world.machine.rules == rules
    assert f"stopping the agent: {REASON}" in world.console
    assert 61 <= began - _start(world) <= 66.1


def test_metadata_rules_that_go_while_the_agent_ends_are_set_again(world: World) -> None:
    """An agent has up to its grace period, and longer for the log, after SIGQUIT."""
    world.assignment = an_assignment(max_minutes=1)
    during_the_job(world, 70, flush)
    world.machine.acts["mayfly-job"].quits_in = 60
    world.run()

    assert world.last_report["reason"] == "the job ran for its limit of 1 minutes"
    assert world.machine.rules == CLOSED_TO_JOBS


def test_metadata_rules_that_go_again_while_the_agent_ends_are_set_again(world: World) -> None:
    def flush_twice(world: World) -> None:
        flush(world)
        world.clock.after(20, lambda: flush(world))

    during_the_job(world, 61, flush_twice)
    world.machine.acts["mayfly-job"].quits_in = 60
    world.run()

    assert world.last_report["reason"] == REASON
    assert world.machine.rules == CLOSED_TO_JOBS


def test_a_job_that_reaches_imds_for_good_is_killed_without_a_grace_period(world: World) -> None:
    during_the_job(world, 61, flush_for_good)
    world.run()

    assert world.agent().signals == []
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-job.scope")
    assert world.last_report["phase"] == "failed"
    assert "removed and cannot be set again: IMDS is still open" in world.last_report["reason"]
    assert world.clock.passed - _start(world) < 66.5


def test_a_job_goes_on_while_nobody_can_look_for_less_than_a_minute(world: World) -> None:
    """A build may use up all processes or memory of its machine for a moment."""

    def lose(world: World) -> None:
        world.machine.cannot_fork = True
        world.clock.after(50, lambda: setattr(world.machine, "cannot_fork", False))

    during_the_job(world, 61, lose)
    world.machine.acts["mayfly-job"].lasts = 300
    world.run()

    assert world.agent().signals == []
    assert (world.last_report["phase"], world.last_report["exit"]) == ("done", 0)


def test_a_job_is_stopped_after_a_minute_in_which_nobody_could_look(world: World) -> None:
    during_the_job(world, 61, lambda world: setattr(world.machine, "cannot_fork", True))
    world.run()

    assert world.agent().signals == [3]
    assert world.last_report["reason"].startswith("the metadata rules could not be checked for 6")
    assert world.agent().ends - 3 - _start(world) < 61 + 70


def test_a_job_that_may_reach_imds_is_not_looked_after(world: World) -> None:
    world.assignment = an_assignment(imds="job")
    during_the_job(world, 10, lambda world: setattr(world.machine, "cannot_fork", True))
    world.machine.acts["mayfly-job"].lasts = 600
    world.run()

    assert world.agent().signals == []


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (flush, "the metadata rules were removed before the host had a job"),
        (flush_for_good, "the metadata rules were removed and cannot be set again"),
    ],
)
def test_an_idle_host_whose_metadata_rules_are_gone_gets_no_job(
    world: World, event: Callable[[World], None], reason: str
) -> None:
    world.assignment = None
    world.clock.after(120, lambda: event(world))
    world.run()

    assert_failed(world, reason, row=SANDBOX_ROW)
    assert 120 <= world.clock.passed < 127


def test_rules_that_go_just_before_the_job_are_noticed_before_the_agent_starts(
    world: World,
) -> None:
    world.cloud.on_report = _then(world, lambda: world.clock.after(3.05, lambda: flush(world)))
    world.run()

    assert_failed(world, "IMDS is still open to mayfly-job", row=SANDBOX_ROW)


@pytest.mark.parametrize("event", [flush, flush_for_good])
def test_a_kept_host_whose_metadata_rules_are_gone_is_kept_no_longer(
    world: World, event: Callable[[World], None]
) -> None:
    """The host failed before its sandbox proof: IMDS may still serve the bootstrap role."""
    world.cloud.parameters[HOST.keep_parameter] = "30"
    world.add_script(Act(code=3, lasts=60))
    world.clock.after(660, lambda: event(world))
    world.run()

    assert "kept for a look until" in world.console
    assert "not kept for a look: the metadata rules were removed" in world.console
    assert 660 <= world.clock.passed < 666


def _start(world: World) -> float:
    """Time at which the job's agent started."""
    (running,) = [report for _, report in world.cloud.reports if report["phase"] == "running"][:1]
    minutes, seconds = running["at"].split("T")[1].split(":")[1:]
    return int(minutes) * 60 + float(seconds.rstrip("Z").partition("+")[0])


def _then(world: World, event: Callable[[], object]) -> Callable[[str], object]:
    react = world.cloud.on_report

    def reacts(phase: str) -> None:
        react(phase)
        if phase == "sandboxed":
            event()

    return reacts
