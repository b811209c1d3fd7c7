"""Whatever goes wrong after set-up, the host ends with a reason that can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mayfly_instance import supervisor
from tests.instance.fake_machine import Act
from tests.instance.worlds import (
    BOOTSTRAP_ROW,
    HOST,
    SANDBOX_ROW,
    World,
    an_assignment,
    failed,
    in_minutes,
)


def test_an_instance_that_never_sees_its_sandbox_profile_powers_off(world: World) -> None:
    world.swap_after = None
    world.live()

    failed(world, f"IMDS shows the profile {HOST.bootstrap_profile}", row=BOOTSTRAP_ROW)
    assert world.phases == ["booting", "bootstrapped", "failed"]
    assert world.clock.passed < 6 * 60


def test_an_instance_whose_old_role_is_served_for_ever_powers_off(world: World) -> None:
    world.metadata.lingering = ["bootstrap"]
    world.live()

    failed(world, "still serves credentials of the bootstrap role", row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


def test_an_instance_without_metadata_powers_off_and_says_so_on_the_console(world: World) -> None:
    world.metadata.broken = True
    world.live()

    assert world.cloud.reports == []
    assert "FAILED at: checking that this is the first boot" in world.console
    assert "no row to report into" in world.console


def test_metadata_that_comes_late_is_waited_for(world: World) -> None:
    world.metadata.broken = True
    world.clock.after(20, lambda: setattr(world.metadata, "broken", False))
    assert world.set_up()
    world.metadata.broken = True
    world.clock.after(20, lambda: setattr(world.metadata, "broken", False))
    world.sandbox()

    assert world.phases[-1] == "done"


def test_an_instance_that_starts_with_another_role_is_refused(world: World) -> None:
    world.metadata.roles = ["admin"]
    world.live()

    assert "IMDS serves the role 'admin', not the bootstrap role 'bootstrap'" in world.console
    assert "bootstrapped" not in world.phases


def test_a_mailbox_that_refuses_the_first_report(world: World) -> None:
    world.cloud.refused.add("set_attribute")
    world.live()

    assert "the mailbox does not take 'booting': AccessDenied" in world.console
    assert not world.machine.ran("useradd")
    assert world.clock.passed < 120


def test_a_mailbox_that_refuses_the_proof(world: World) -> None:
    world.clock.after(1, lambda: world.cloud.refused.add("set_attribute"))
    world.swap_after = 5
    world.live()

    assert "the mailbox does not take 'sandboxed': AccessDenied" in world.console
    assert "sandboxed" not in world.phases


@pytest.mark.parametrize("how", ["gone", "refused"])
def test_a_mailbox_that_is_out_of_reach_for_five_minutes(world: World, how: str) -> None:
    world.assignment = None

    def lose() -> None:
        world.cloud.gone = how == "gone"
        world.cloud.refused.add("item")

    world.clock.after(100, lose)
    world.live()

    assert "the mailbox is out of reach for 5 minutes" in world.console
    assert 399 <= world.clock.passed < 430


def test_a_mailbox_that_comes_back_in_time_is_forgiven(world: World) -> None:
    world.clock.after(4, lambda: setattr(world.cloud, "gone", True))
    world.clock.after(240, lambda: setattr(world.cloud, "gone", False))
    world.live()

    assert world.phases[-1] == "done"


def test_a_spot_notice_without_a_job_ends_the_host(world: World) -> None:
    world.assignment = None
    world.clock.after(50, lambda: setattr(world.metadata, "spot", in_minutes(2)))
    world.live()

    failed(world, "before it had a job", row=SANDBOX_ROW)
    assert world.last["notice"] == in_minutes(2)
    assert world.clock.passed < 60


def test_a_host_that_nobody_ever_needs_ends_at_last(world: World) -> None:
    world.assignment = None
    world.context = replace(world.context, limits=replace(world.context.limits, idle=3600))
    world.live()

    failed(world, "no job came within 1 hours", row=SANDBOX_ROW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protocol": 2}, "the assignment has protocol 2, this host knows 1"),
        ({"protocol": None}, "the assignment has protocol None"),
        ({"boot": "another"}, "for another boot"),
        ({"queue": "other"}, "for another queue"),
        ({"job": "../../x"}, "not a UUID"),
        ({"token": ""}, "has no token"),
        ({"token": 7}, "has no token"),
        ({"name": None}, "has no name"),
        ({"imds": "open"}, "'open', which is unknown here"),
        ({"root": "docker"}, "'docker', which is unknown here"),
        ({"root": "yes", "imds": "supervisor"}, "a job as root, which could reach IMDS"),
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
def test_an_assignment_that_this_host_must_not_follow_is_refused(
    world: World, change: dict[str, Any], reason: str | None
) -> None:
    world.assignment = an_assignment(**change)
    world.live()

    if reason is None:
        assert world.phases[-1] == "done"
    else:
        failed(world, reason, row=SANDBOX_ROW)
        assert "running" not in world.phases


def test_an_assignment_of_an_unknown_protocol_is_refused(world: World) -> None:
    world.assignment = {"protocol": 99, "work": "something else"}
    world.live()

    failed(world, "protocol 99, this host knows 1", row=SANDBOX_ROW)


def test_an_assignment_that_is_not_an_object_is_refused(world: World) -> None:
    world.clock.after(1, lambda: setattr(world, "assignment", "run this"))
    world.live()

    failed(world, "is not an object", row=SANDBOX_ROW)


def test_a_profile_that_changes_after_the_proof_lets_no_job_in(world: World) -> None:
    world.clock.after(4, world.serve_bootstrap)
    world.live()

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
    world.live()

    failed(world, reason, row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


def test_imds_off_that_leaves_root_a_way_powers_off(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    world.machine.rules_of_others = "meta skuid 0 accept"
    world.live()

    failed(world, "still open to root", row=SANDBOX_ROW)


def test_an_agent_that_does_not_start(world: World) -> None:
    def refuse(program: Any) -> None:
        if program.unit == "mayfly-job":
            world.machine._command(["systemd-run"], 1)

    world.machine.failing["systemd-run"] = ""
    world.machine.acts["mayfly-job"] = Act(does=refuse)
    world.live()

    assert world.last["phase"] == "failed"
    assert "the agent did not start" in world.last["reason"]


def test_a_broken_supervisor_stops_its_job_and_ends(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(30, lambda: setattr(world.machine, "broken", True))
    world.live()

    assert world.agent().signals == [3]
    assert "the supervisor is broken" in world.last["reason"]
    assert world.clock.passed < 60


def test_neither_life_ever_raises(world: World) -> None:
    world.machine.broken = True

    assert supervisor.run(world.context, supervisor.SET_UP) is False
    assert supervisor.run(world.context, supervisor.SANDBOX) is False
