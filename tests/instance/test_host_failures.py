"""After any failure the host reports a readable reason and powers off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mayfly_instance import supervisor
from mayfly_instance.failure import CommandFailed
from mayfly_protocol.rows import notice_row
from tests.instance.fake_machine import Act
from tests.instance.worlds import (
    BOOTSTRAP_ROW,
    HOST,
    SANDBOX_ROW,
    World,
    an_assignment,
    assert_failed,
    in_minutes,
)


def test_an_instance_that_never_sees_its_sandbox_profile_powers_off(world: World) -> None:
    world.swap_after = None
    world.run()

    assert_failed(world, f"IMDS shows the profile {HOST.bootstrap_profile}", row=BOOTSTRAP_ROW)
    assert world.phases == ["booting", "bootstrapped", "failed"]
    assert world.clock.passed < 6 * 60


def test_an_instance_that_keeps_its_old_role_for_ever_powers_off(world: World) -> None:
    world.metadata.lingering = ["bootstrap"]
    world.run()

    assert_failed(world, "still serves credentials of the bootstrap role", row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


def test_an_instance_without_metadata_powers_off_and_says_so_on_the_console(world: World) -> None:
    world.metadata.broken = True
    world.run()

    assert world.cloud.reports == []
    assert "FAILED at: checking what runs on the image" in world.console
    assert "no row to report into" in world.console


def test_the_host_waits_for_late_metadata(world: World) -> None:
    world.metadata.broken = True
    world.clock.after(20, lambda: setattr(world.metadata, "broken", False))
    assert world.set_up()
    world.metadata.broken = True
    world.clock.after(20, lambda: setattr(world.metadata, "broken", False))
    world.sandbox()

    assert world.phases[-1] == "done"


def test_an_instance_that_starts_with_another_role_is_refused(world: World) -> None:
    world.metadata.roles = ["admin"]
    world.run()

    assert "IMDS serves the role 'admin', not the bootstrap role 'bootstrap'" in world.console
    assert "bootstrapped" not in world.phases


def test_a_host_whose_first_report_is_refused_powers_off(world: World) -> None:
    world.cloud.refused.add("set_attribute")
    world.run()

    assert "the mailbox does not take 'booting': AccessDenied" in world.console
    assert not world.machine.ran("useradd")
    assert world.clock.passed < 120


def test_a_host_whose_proof_is_refused_powers_off(world: World) -> None:
    world.clock.after(1, lambda: world.cloud.refused.add("set_attribute"))
    world.swap_after = 5
    world.run()

    assert "the mailbox does not take 'sandboxed': AccessDenied" in world.console
    assert "sandboxed" not in world.phases


@pytest.mark.parametrize("how", ["gone", "refused"])
def test_a_host_without_its_mailbox_for_five_minutes_powers_off(world: World, how: str) -> None:
    world.assignment = None

    def lose() -> None:
        world.cloud.gone = how == "gone"
        world.cloud.refused.add("item")

    world.clock.after(100, lose)
    world.run()

    assert "the mailbox is out of reach for 5 minutes" in world.console
    assert 399 <= world.clock.passed < 430


def test_a_host_survives_a_mailbox_outage_of_less_than_five_minutes(world: World) -> None:
    world.clock.after(4, lambda: setattr(world.cloud, "gone", True))
    world.clock.after(240, lambda: setattr(world.cloud, "gone", False))
    world.run()

    assert world.phases[-1] == "done"


def test_a_spot_notice_before_any_job_ends_the_host(world: World) -> None:
    world.assignment = None
    world.clock.after(50, lambda: setattr(world.metadata, "spot", in_minutes(2)))
    world.run()

    assert_failed(world, "before it had a job", row=SANDBOX_ROW)
    assert world.last_report["notice"] == in_minutes(2)
    assert world.clock.passed < 60


def test_a_spot_notice_in_the_mailbox_ends_a_waiting_host(world: World) -> None:
    world.assignment = None
    notice = {notice_row(SANDBOX_ROW): {"notice": in_minutes(2)}}
    world.clock.after(50, lambda: world.cloud.rows.update(notice))
    world.run()

    assert_failed(world, "before it had a job", row=SANDBOX_ROW)
    assert world.last_report["notice"] == in_minutes(2)
    assert world.clock.passed < 60


def test_a_notice_in_the_hosts_own_row_is_none(world: World) -> None:
    world.assignment = None
    world.context = replace(world.context, limits=replace(world.context.limits, idle=60))
    world.clock.after(10, lambda: world.cloud.rows[SANDBOX_ROW].update(notice=in_minutes(2)))
    world.run()

    assert_failed(world, "no job came within", row=SANDBOX_ROW)


def test_a_waiting_host_reads_its_notice_every_five_seconds_beside_its_own_row(
    world: World,
) -> None:
    world.assignment = None
    world.context = replace(world.context, limits=replace(world.context.limits, idle=600))
    world.run()

    own, notices = (world.cloud.read.count(key) for key in (SANDBOX_ROW, notice_row(SANDBOX_ROW)))
    assert 600 / 5 <= notices <= 600 / 5 + 1
    assert own == pytest.approx(600 / world.context.limits.poll, rel=0.02)


def test_a_host_without_a_job_for_its_idle_limit_ends(world: World) -> None:
    world.assignment = None
    world.context = replace(world.context, limits=replace(world.context.limits, idle=3600))
    world.run()

    assert_failed(world, "no job came within 1 hours", row=SANDBOX_ROW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protocol": 3}, "the assignment has protocol 3, this host knows 1"),
        ({"protocol": None}, "the assignment has protocol None"),
        ({"boot": "another"}, "for another boot"),
        ({"queue": "other"}, "for another queue"),
        ({"job": "../../x"}, "not a UUID"),
        ({"token": ""}, "has no token"),
        ({"token": 7}, "has no token"),
        ({"name": None}, "has no name"),
        ({"imds": "open"}, "'open', which is unknown here"),
        ({"root": "sudo"}, "'sudo', which is unknown here"),
        ({"root": "yes", "imds": "supervisor"}, "root: yes, so that the job could reach IMDS"),
        ({"root": "docker", "imds": "supervisor"}, "root: docker, so that the job could reach"),
        ({"max_minutes": 0}, "no max_minutes"),
        ({"max_minutes": "60"}, "no max_minutes"),
        ({"policy": None}, "no readable policy"),
        ({"policy": {"rules": "pipeline=x", "repository": None}}, "no readable policy"),
        ({"policy": {"rules": []}}, None),
        ({"config": "bootstrap-script=/tmp/x"}, "sets 'bootstrap-script'"),
        ({"config": "no-pty=true\nexporttoken=x"}, "sets 'exporttoken'"),
        ({"config": "experiment = anything"}, "sets 'experiment'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_assignment_with_an_invalid_field_is_refused(
    world: World, change: dict[str, Any], reason: str | None
) -> None:
    world.assignment = an_assignment(**change)
    world.run()

    if reason is None:
        assert world.phases[-1] == "done"
    else:
        assert_failed(world, reason, row=SANDBOX_ROW)
        assert "running" not in world.phases


def test_an_assignment_of_an_unknown_protocol_is_refused(world: World) -> None:
    world.assignment = {"protocol": 99, "work": "something else"}
    world.run()

    assert_failed(world, "protocol 99, this host knows 1", row=SANDBOX_ROW)


def test_an_assignment_that_is_not_an_object_is_refused(world: World) -> None:
    world.clock.after(1, lambda: setattr(world, "assignment", "run this"))
    world.run()

    assert_failed(world, "is not an object", row=SANDBOX_ROW)


def test_a_profile_change_after_the_proof_prevents_the_job(world: World) -> None:
    world.clock.after(4, world.serve_bootstrap)
    world.run()

    assert "FAILED at: passing the gate once more" in world.console
    assert "running" not in world.phases
    assert not [each for each in world.machine.started if each.program.unit == "mayfly-job"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda machine: machine.failing.update(nft="no such table"), "IMDS cannot be closed"),
        (lambda machine: setattr(machine, "rules_work", False), "still open to mayfly-job"),
    ],
    ids=["the rule cannot be set", "the rule has no effect"],
)
def test_a_host_that_cannot_close_imds_powers_off(
    world: World, spoil: Callable[[Any], None], reason: str
) -> None:
    spoil(world.machine)
    world.run()

    assert_failed(world, reason, row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


def test_a_host_powers_off_if_imds_off_does_not_stop_root(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    world.machine.rules_of_others = "meta skuid 0 accept"
    world.run()

    assert_failed(world, "still open to root", row=SANDBOX_ROW)


def test_an_agent_that_cannot_start_fails_the_host(world: World) -> None:
    def refuse(program: Any) -> None:
        if program.unit == "mayfly-job":
            raise CommandFailed("systemd-run --scope exited with 1", "no more scopes")

    world.machine.acts["mayfly-job"] = Act(does=refuse)
    world.run()

    assert world.last_report["phase"] == "failed"
    assert "the agent did not start" in world.last_report["reason"]


def test_a_bug_in_the_supervisor_stops_the_job_and_ends_the_host(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(30, lambda: setattr(world.machine, "broken", True))
    world.run()

    assert world.agent().signals == [3]
    assert "the supervisor is broken" in world.last_report["reason"]
    assert world.clock.passed < 60


def test_neither_stage_raises_after_a_bug(world: World) -> None:
    world.machine.broken = True

    assert supervisor.run(world.context, supervisor.SET_UP) is False
    assert supervisor.run(world.context, supervisor.SANDBOX) is False
