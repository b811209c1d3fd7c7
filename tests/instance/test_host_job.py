"""Reasons for which a host stops its job early, and the report of the job's end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly_instance.failure import GoingDown
from mayfly_instance.notices import stop_time
from mayfly_protocol.rows import notice_row
from tests.instance.fake_machine import Act, a_process
from tests.instance.fakes import START
from tests.instance.worlds import SANDBOX_ROW, World, an_assignment, in_minutes


def test_a_job_that_reaches_its_limit_is_stopped_by_sigquit(world: World) -> None:
    world.assignment = an_assignment(max_minutes=2)
    world.machine.acts["mayfly-job"] = Act(code=0, lasts=10_000)
    world.run()

    assert world.last_report["reason"] == "the job ran for its limit of 2 minutes"
    assert world.agent().signals == [3]
    assert 120 <= world.agent().ends - 5 < 135


def test_a_spot_notice_stops_the_job_half_a_minute_before_the_interruption(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(60, lambda: setattr(world.metadata, "spot", in_minutes(3)))
    world.run()

    assert world.last_report["notice"] == in_minutes(3)
    assert world.last_report["reason"] == f"the spot instance is taken at {in_minutes(3)}"
    assert 149.9 <= world.agent().ends - 3 < 156


@pytest.mark.parametrize(
    ("config", "margin"),
    [
        ("cancel-grace-period=10", 25),
        ("cancel-grace-period=60", 75),
        ("cancel-signal-timeout=30s\ncancel-cleanup-timeout=30s", 75),
        ("cancel-grace-period=100", 115),
    ],
)
def test_a_spot_notice_leaves_the_job_its_grace_period_and_the_agent_time_for_the_log(
    world: World, config: str, margin: float
) -> None:
    world.assignment = an_assignment(config=config)
    world.machine.agent_help += "".join(
        f"\n   --{line.partition('=')[0]} value" for line in config.splitlines()
    )
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(60, lambda: setattr(world.metadata, "spot", in_minutes(3)))
    world.run()

    assert world.agent().signals == [3]
    assert 180 - margin - 0.1 <= world.agent().ends - 3 < 180 - margin + 1


@pytest.mark.parametrize(("config", "waits"), [("", 20), ("cancel-grace-period=60", 65)])
def test_a_machine_that_goes_down_leaves_the_job_its_grace_period(
    world: World, config: str, waits: float
) -> None:
    def go_down() -> None:
        raise GoingDown("the machine is going down")

    world.assignment = an_assignment(config=config)
    world.machine.agent_help += "\n   --cancel-grace-period value"
    world.machine.acts["mayfly-job"] = Act(
        lasts=10_000, quits_in=None, does=lambda _: world.clock.after(30, go_down)
    )
    world.run()

    assert world.agent().signals == [3]
    began = world.agent().ends - 10_000
    assert waits <= world.clock.passed - began - 30 < waits + 1


def test_a_spot_notice_in_the_mailbox_stops_the_job(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    notice = {notice_row(SANDBOX_ROW): {"notice": "EC2 Spot Instance Interruption"}}
    world.clock.after(60, lambda: world.cloud.rows.update(notice))
    world.run()

    assert world.agent().signals == [3]
    assert world.clock.passed < 80


def test_a_job_runs_on_where_the_notice_cannot_be_read_and_the_console_says_so_once(
    world: World,
) -> None:
    world.assignment = an_assignment(imds="off")
    world.machine.acts["mayfly-job"] = Act(lasts=100)
    world.clock.after(40, lambda: world.cloud.refused.add("item"))
    world.run()

    assert world.phases[-1] == "done"
    told = "the spot notice in the mailbox cannot be read: AccessDenied"
    assert world.everything_readable().count(told) == 1


def test_a_refusal_by_the_hosts_policy_check_is_reported_with_its_reason(world: World) -> None:
    """The agent ends with 0, and the job's page says only that a hook refused the job."""

    def refuse(_: object) -> None:
        log = world.machine.places.logs / "agent.log"
        log.write_text("INFO hook\nmayfly: the job is refused: no rule takes it\nINFO bye\n")

    world.machine.acts["mayfly-job"] = Act(code=0, does=refuse)
    world.run()

    assert world.last_report["exit"] == 0
    assert world.last_report["reason"] == "the job is refused: no rule takes it"
    assert "INFO hook" in world.last_report["words"]


def test_an_agent_that_starts_during_a_shutdown_is_killed(world: World) -> None:
    def go_down(_: object) -> None:
        raise GoingDown("the machine is going down")

    world.machine.acts["mayfly-job"] = Act(lasts=10_000, does=go_down)
    world.run()

    assert world.last_report["reason"] == "the machine is going down"
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-job.scope")


@pytest.mark.parametrize(
    ("notice", "left"),
    [
        ("2026-11-21T08:02:00Z", 90),
        ("2026-11-21T08:02:00+00:00", 90),
        ("it is interrupted at 2026-11-21T08:02:00.000Z by EC2", 90),
        ("EC2 Spot Instance Interruption Warning", 0),
        ("2026-13-40T99:00:00Z", 0),
        ("", 0),
    ],
)
def test_a_notice_without_a_valid_time_stops_the_job_at_once(notice: str, left: float) -> None:
    assert stop_time(notice, START, margin=30) == START + timedelta(seconds=left)


def test_a_job_that_ends_before_a_spot_interruption_is_not_stopped(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=50)
    world.metadata.spot = None
    world.clock.after(20, lambda: setattr(world.metadata, "spot", in_minutes(3)))
    world.run()

    assert world.agent().signals == []
    assert (world.last_report["phase"], world.last_report["exit"]) == ("done", 0)


def test_an_agent_that_does_not_end_is_killed_after_the_time_to_deliver_its_log(
    world: World,
) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=100_000, quits_in=None)
    world.run()

    assert world.phases[-1] == "done"
    assert "exit" not in world.last_report
    assert world.last_report["reason"] == "the agent did not end after its job"
    assert 25 * 60 <= world.clock.passed < 26 * 60
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-job.scope")


def test_a_job_may_run_for_longer_than_the_time_to_deliver_a_log(world: World) -> None:
    def run_a_child(_: object) -> None:
        world.machine.table.append(a_process(4300, "bootstrap", parent=4242))
        world.clock.after(40 * 60, world.machine.table.pop)

    world.machine.acts["mayfly-job"] = Act(lasts=41 * 60, does=run_a_child)
    world.run()

    assert (world.last_report["phase"], world.last_report["exit"]) == ("done", 0)
    assert world.agent().signals == []


def test_a_running_job_survives_an_outage_of_the_mailbox(world: World) -> None:
    def lose(_: object) -> None:
        world.clock.after(5, lambda: setattr(world.cloud, "gone", True))
        world.clock.after(900, lambda: setattr(world.cloud, "gone", False))

    world.machine.acts["mayfly-job"] = Act(lasts=1000, does=lose)
    world.run()

    assert world.agent().signals == []
    assert world.phases[-1] == "done"
