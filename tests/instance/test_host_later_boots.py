"""Boots after an instance's first: only by an order, with another proof, for the first job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mayfly_instance.failure import GoingDown
from mayfly_protocol.order import Order, to_row
from mayfly_protocol.rows import start_row
from tests.instance.fake_machine import Act, a_process
from tests.instance.worlds import (
    CLOSED_TO_JOBS,
    JOB,
    SANDBOX_ROW,
    World,
    an_assignment,
    assert_failed,
)

SECOND = "1d2c3b4a-0000-4000-8000-000000000002"
THIRD = "1d2c3b4a-0000-4000-8000-000000000003"


def go_down() -> None:
    raise GoingDown("the machine is going down")


def stop_while_idle(world: World) -> None:
    """The first boot, until EC2 stops the instance a minute after its proof."""
    world.assignment = None
    world.clock.after(60, go_down)
    world.run()


def order(world: World, number: int = 1, minutes: float = 5, **changes: Any) -> None:
    """Write an order as the control plane does before it starts the instance."""
    row = to_row(Order(number, world.clock.now() + timedelta(minutes=minutes)))
    world.cloud.rows[start_row(SANDBOX_ROW)] = {"order": {**row, **changes}}


def start(world: World, boot: str = SECOND) -> None:
    """Boot again, and run the supervisor as the enabled unit does."""
    world.machine.boot_again(boot)
    world.metadata.requests.clear()
    world.cloud.asked.clear()
    world.cloud.reports.clear()
    assert world.set_up() is False


def test_a_stop_without_a_job_is_no_failure(world: World) -> None:
    stop_while_idle(world)

    assert world.phases == ["booting", "bootstrapped", "sandboxed", "sandboxed"]
    assert world.last_report["reason"] == "the machine is going down"
    assert "FAILED" not in world.console
    assert "the machine is going down, and the host had no job" in world.console


def test_a_stop_during_a_look_at_the_metadata_rules_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that fails is waited out; systemd asks once, and would kill after 150 s."""
    reaches = world.machine.reaches

    def go_down_then(*given: Any) -> bool:
        if world.phases[-1:] == ["sandboxed"]:
            go_down()
        return reaches(*given)

    world.assignment = None
    monkeypatch.setattr(world.machine, "reaches", go_down_then)
    world.run()

    assert world.clock.passed < 60
    assert "the machine is going down, and the host had no job" in world.console


def test_a_stop_during_a_report_on_which_nothing_depends_is_not_lost(world: World) -> None:
    react = world.cloud.on_report

    def seen(phase: str) -> None:
        if phase == "running" and world.agent().signals == []:
            go_down()
        react(phase)

    world.cloud.on_report = seen
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.run()

    assert world.agent().signals == [3]
    assert world.last_report["reason"] == "the machine is going down"


def test_a_commanded_boot_proves_itself_anew_and_runs_a_job(world: World) -> None:
    stop_while_idle(world)
    order(world)
    world.assignment = an_assignment(boot=SECOND)
    start(world)

    assert world.phases == ["sandboxed", "running", "done"]
    assert {key for key, _ in world.cloud.reports} == {SANDBOX_ROW}
    assert [report["start"] for _, report in world.cloud.reports] == [1, 1, 1]
    assert {report["boot"] for _, report in world.cloud.reports} == {SECOND}
    assert world.agent().program.argv[-1] == JOB


def test_a_commanded_boot_repeats_no_set_up_and_asks_for_no_other_credentials(
    world: World,
) -> None:
    world.add_script(Act(lasts=30))
    stop_while_idle(world)
    order(world)
    world.assignment = an_assignment(boot=SECOND)
    start(world)

    assert [each.program.unit for each in world.machine.started] == ["mayfly-job"]
    assert not any(world.machine.ran(each) for each in ("useradd", "dnf", "curl", "systemd-run"))
    assert "parameter" not in world.cloud.asked
    assert "object" not in world.cloud.asked
    assert "credentials of bootstrap" not in world.metadata.requests


def test_a_commanded_boot_closes_imds_before_its_proof(world: World) -> None:
    stop_while_idle(world)
    order(world)
    world.assignment = an_assignment(boot=SECOND)
    rules: list[str] = []
    react = world.cloud.on_report

    def seen(phase: str) -> None:
        rules.append(world.machine.rules)
        react(phase)

    world.cloud.on_report = seen
    start(world)

    assert rules[0] == CLOSED_TO_JOBS


def test_a_commanded_boot_proves_its_sandbox_within_two_seconds(world: World) -> None:
    stop_while_idle(world)
    order(world)
    began = world.clock.passed
    world.clock.after(100, go_down)
    proven: list[float] = []
    world.cloud.on_report = lambda phase: proven.append(world.clock.passed - began)
    start(world)

    assert proven[0] < 2


def test_the_assignment_of_an_earlier_boot_is_refused(world: World) -> None:
    stop_while_idle(world)
    order(world)
    world.assignment = an_assignment()
    start(world)

    assert_failed(world, "for another boot", row=SANDBOX_ROW)


def test_a_reboot_without_an_order_powers_off(world: World) -> None:
    stop_while_idle(world)
    start(world)

    assert_failed(world, "there is no order to start", row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"minutes": 0}, "the order to start expired at"),
        ({"protocol": 2}, "protocol 2"),
        ({"expires": "soon"}, "no readable expires"),
    ],
    ids=["expired", "protocol", "form"],
)
def test_a_boot_with_an_order_that_is_not_valid_powers_off(
    world: World, change: dict[str, Any], reason: str
) -> None:
    stop_while_idle(world)
    minutes = change.pop("minutes", 5)
    order(world, minutes=minutes, **change)
    start(world)

    assert_failed(world, reason, row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


def test_an_order_commands_one_boot_only(world: World) -> None:
    stop_while_idle(world)
    order(world, minutes=60)
    world.assignment = None
    world.clock.after(60, go_down)
    start(world)
    assert "sandboxed" in world.phases
    start(world, THIRD)

    assert_failed(world, "has number 1, and 1 is used already", row=SANDBOX_ROW)


def test_the_next_order_commands_the_next_boot(world: World) -> None:
    stop_while_idle(world)
    order(world, 1)
    world.clock.after(60, go_down)
    start(world)
    order(world, 2)
    world.assignment = an_assignment(boot=THIRD)
    start(world, THIRD)

    assert world.phases[-1] == "done"
    assert world.last_report["start"] == 2


def test_an_order_is_used_up_before_the_proof_even_if_the_host_breaks_there(world: World) -> None:
    stop_while_idle(world)
    order(world, minutes=60)
    world.machine.failing["nft"] = "no such table"
    start(world)
    assert "sandboxed" not in world.phases
    world.machine.failing.clear()
    start(world, THIRD)

    assert_failed(world, "1 is used already", row=SANDBOX_ROW)


def test_an_unreadable_record_of_used_orders_powers_off(world: World) -> None:
    stop_while_idle(world)
    order(world)
    world.machine.places.order.write_text("many")
    start(world)

    assert_failed(world, "the number of the last order is unreadable", row=SANDBOX_ROW)


def serve_bootstrap(world: World) -> None:
    world.serve_bootstrap()


def serve_both(world: World) -> None:
    world.metadata.roles = ["sandbox", "bootstrap"]


def serve_the_old_credentials(world: World) -> None:
    world.metadata.lingering = ["bootstrap"]


@pytest.mark.parametrize(
    ("serve", "reason"),
    [
        (serve_bootstrap, "IMDS shows the profile"),
        (serve_both, "IMDS lists the roles"),
        (serve_the_old_credentials, "IMDS serves credentials of the bootstrap role"),
    ],
)
def test_a_later_boot_with_any_bootstrap_right_powers_off_at_once_and_never_reads_it(
    world: World, serve: Callable[[World], None], reason: str
) -> None:
    stop_while_idle(world)
    order(world)
    serve(world)
    began = world.clock.passed
    start(world)

    assert f"{reason}" in world.console
    assert "although this boot is not the first" in world.console
    assert "sandboxed" not in world.phases
    assert "credentials of bootstrap" not in world.metadata.requests
    assert not world.machine.places.order.exists()
    assert world.clock.passed - began < 20


def test_metadata_that_answers_late_in_a_boot_is_waited_for(world: World) -> None:
    stop_while_idle(world)
    order(world)
    world.assignment = an_assignment(boot=SECOND)
    world.metadata.broken = True
    world.clock.after(20, lambda: setattr(world.metadata, "broken", False))
    start(world)

    assert world.phases[-1] == "done"


def test_an_instance_that_has_had_a_job_is_never_used_again(world: World) -> None:
    world.run()
    assert world.phases[-1] == "done"
    order(world)
    start(world)

    assert_failed(world, "the instance has had its job", row=SANDBOX_ROW)


def test_an_instance_whose_set_up_was_interrupted_is_never_used(world: World) -> None:
    world.machine.on_command["useradd"] = go_down
    world.run()
    world.machine.on_command.clear()
    world.serve_sandbox()
    order(world)
    start(world)

    assert_failed(world, "set-up was not completed", row=SANDBOX_ROW)


def test_a_process_of_the_jobs_user_condemns_a_later_boot(world: World) -> None:
    stop_while_idle(world)
    order(world)
    world.machine.table.append(a_process(900, "cron-job", uid=995))
    start(world)

    assert_failed(world, "cron-job[900] runs as mayfly-job before any job", row=SANDBOX_ROW)


def test_a_service_of_the_image_that_holds_credentials_condemns_a_later_boot(
    world: World,
) -> None:
    stop_while_idle(world)
    order(world)
    world.machine.table.append(a_process(901, "amazon-ssm-agen"))
    start(world)

    assert_failed(world, "which holds credentials of its own", row=SANDBOX_ROW)


def test_a_failed_later_boot_is_never_kept_for_a_look(world: World) -> None:
    world.cloud.parameters["/mayfly/ci/queues/deploy/debug/keep-failed-minutes"] = "30"
    stop_while_idle(world)
    start(world)

    assert "kept for a look until" not in world.console
