"""A host that failed before its sandbox proof is kept for a look, if the operator wants that."""

from __future__ import annotations

import pytest

from mayfly_instance.failure import GoingDown
from tests.instance.fake_machine import Act
from tests.instance.worlds import (
    BOOTSTRAP_ROW,
    CLOSED_TO_ALL,
    HOST,
    SANDBOX_ROW,
    World,
    an_assignment,
    assert_failed,
)

MINUTES = 30


def allow_keeping(world: World, value: str = str(MINUTES)) -> None:
    world.cloud.parameters[HOST.keep_parameter] = value


def was_kept(world: World) -> bool:
    return "kept for a look until" in world.console or world.clock.passed > 20 * 60


def test_a_failed_host_is_kept_for_the_minutes_of_the_parameter(world: World) -> None:
    allow_keeping(world)
    world.add_script(Act(code=3, lasts=60))
    world.run()

    assert_failed(world, "exited with 3", row=BOOTSTRAP_ROW)
    assert world.last_report["at"].startswith("2026-11-21T08:01:00")
    assert "kept for a look until 2026-11-21T08:31:00" in world.console
    assert world.clock.passed == pytest.approx(60 + MINUTES * 60, abs=1)
    assert world.machine.rules == CLOSED_TO_ALL


def test_a_host_that_never_passed_the_gate_is_kept(world: World) -> None:
    allow_keeping(world)
    world.swap_after = None
    world.run()

    assert_failed(world, "was not proven within", row=BOOTSTRAP_ROW)
    assert was_kept(world)
    assert world.machine.rules == CLOSED_TO_ALL


def test_a_host_is_kept_without_metadata_and_mailbox(world: World) -> None:
    def lose() -> None:
        world.metadata.broken = world.cloud.gone = True

    allow_keeping(world)
    world.machine.on_command["useradd"] = lose
    world.run()

    assert world.phases == ["booting"]
    assert was_kept(world)


def test_a_kept_host_calls_neither_metadata_nor_mailbox(world: World) -> None:
    allow_keeping(world)
    world.add_script(Act(code=3))
    world.clock.after(60, world.metadata.requests.clear)
    world.clock.after(60, world.cloud.reports.clear)
    world.run()

    assert was_kept(world)
    assert (world.metadata.requests, world.cloud.reports) == ([], [])


@pytest.mark.parametrize(
    "value", ["0", "-1", "+5", "1441", "99999", "1.5", "1e3", "ten", "", "٣", "30 40", "1_0"]
)
def test_an_invalid_value_of_the_parameter_keeps_no_host(world: World, value: str) -> None:
    allow_keeping(world, value)
    world.add_script(Act(code=3))
    world.run()

    assert_failed(world, "exited with 3", row=BOOTSTRAP_ROW)
    assert not was_kept(world)


def test_a_host_can_be_kept_for_at_most_a_day(world: World) -> None:
    allow_keeping(world, " 1440\n")
    world.add_script(Act(code=3))
    world.run()

    assert world.clock.passed == pytest.approx(24 * 3600, abs=30)


def test_no_host_is_kept_without_the_parameter(world: World) -> None:
    world.add_script(Act(code=3))
    world.run()

    assert not was_kept(world)
    assert world.machine.rules == ""


def test_an_unreadable_parameter_keeps_no_host_and_delays_no_boot(world: World) -> None:
    allow_keeping(world)
    world.add_script(Act(code=3))
    world.cloud.refused.add("parameter")
    world.clock.after(0.1, world.cloud.refused.clear)
    world.run()

    assert_failed(world, "exited with 3", row=BOOTSTRAP_ROW)
    assert not was_kept(world)


@pytest.mark.parametrize("how", ["the rule cannot be set", "the rule has no effect"])
def test_a_host_that_cannot_close_imds_is_not_kept(world: World, how: str) -> None:
    allow_keeping(world)
    world.add_script(Act(code=3))
    if how == "the rule cannot be set":
        world.machine.failing["nft"] = "no such table"
    else:
        world.machine.rules_work = False
    world.run()

    assert world.last_report["phase"] == "failed"
    assert "not kept for a look: IMDS" in world.console
    assert not was_kept(world)


def test_a_host_whose_root_still_reaches_imds_is_not_kept(world: World) -> None:
    allow_keeping(world)
    world.add_script(Act(code=3))
    world.machine.rules_of_others = "meta skuid 0 accept"
    world.run()

    assert "not kept for a look: IMDS is still open to root" in world.console
    assert not was_kept(world)


def test_a_host_with_a_sandbox_proof_is_never_kept(world: World) -> None:
    allow_keeping(world)
    world.assignment = an_assignment(queue="other")
    world.run()

    assert_failed(world, "for another queue", row=SANDBOX_ROW)
    assert not was_kept(world)


def test_a_host_whose_proof_may_have_arrived_is_not_kept(world: World) -> None:
    def lose(phase: str) -> None:
        if phase == "bootstrapped":
            world.clock.after(1, world.serve_sandbox)
            world.clock.after(1, lambda: world.cloud.refused.add("set_attribute"))

    allow_keeping(world)
    world.cloud.on_report = lose
    world.run()

    assert "the mailbox does not take 'sandboxed'" in world.console
    assert "kept for a look until" not in world.console


def test_a_host_with_a_job_is_never_kept(world: World) -> None:
    allow_keeping(world)
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(30, lambda: setattr(world.machine, "broken", True))
    world.run()

    assert "the supervisor is broken" in world.last_report["reason"]
    assert not was_kept(world)


def test_a_host_whose_job_is_done_is_not_kept(world: World) -> None:
    allow_keeping(world)
    world.run()

    assert world.phases[-1] == "done"
    assert not was_kept(world)


def test_a_host_that_is_being_shut_down_is_not_kept(world: World) -> None:
    def go_down() -> None:
        raise GoingDown("the machine is going down")

    allow_keeping(world)
    world.machine.on_command["useradd"] = go_down
    world.run()

    assert_failed(world, "the machine is going down", row=BOOTSTRAP_ROW)
    assert not was_kept(world)


def test_a_host_that_fails_at_a_second_boot_is_not_kept(world: World) -> None:
    allow_keeping(world)
    world.run()
    world.machine.boot = "another boot"
    world.clock.passed = 0
    world.run()

    assert "this boot is not the instance's first" in world.console
    assert not was_kept(world)
