"""What may end the one job of a host before it ends by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly_instance.failure import GoingDown
from mayfly_instance.notices import stop_time
from tests.instance.fake_machine import Act, a_process
from tests.instance.fakes import START
from tests.instance.worlds import SANDBOX_ROW, World, an_assignment, in_minutes


def test_a_job_that_reaches_its_limit_is_stopped_by_sigquit(world: World) -> None:
    world.assignment = an_assignment(max_minutes=2)
    world.machine.acts["mayfly-job"] = Act(code=0, lasts=10_000)
    world.live()

    assert world.last["reason"] == "the job ran for its limit of 2 minutes"
    assert world.agent().signals == [3]
    assert 120 <= world.agent().ends - 5 < 135


def test_a_spot_notice_stops_the_job_half_a_minute_before_the_end(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(60, lambda: setattr(world.metadata, "spot", in_minutes(3)))
    world.live()

    assert world.last["notice"] == in_minutes(3)
    assert world.last["reason"] == f"the spot instance is taken at {in_minutes(3)}"
    assert 149.9 <= world.agent().ends - 3 < 156


def test_a_spot_notice_that_came_by_the_mailbox_is_obeyed(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(
        60, lambda: world.cloud.rows[SANDBOX_ROW].update(notice="EC2 Spot Instance Interruption")
    )
    world.live()

    assert world.agent().signals == [3]
    assert world.clock.passed < 80


def test_a_refusal_of_the_hosts_own_policy_is_told_with_its_reason(world: World) -> None:
    """The agent ends with 0, and its page says only that a hook refused the job."""

    def refuse(_: object) -> None:
        log = world.machine.places.logs / "agent.log"
        log.write_text("INFO hook\nmayfly: the job is refused: no rule takes it\nINFO bye\n")

    world.machine.acts["mayfly-job"] = Act(code=0, does=refuse)
    world.live()

    assert world.last["exit"] == 0
    assert world.last["reason"] == "the job is refused: no rule takes it"
    assert "INFO hook" in world.last["words"]


def test_nothing_is_left_of_an_agent_that_starts_while_the_machine_goes_down(world: World) -> None:
    def go_down(_: object) -> None:
        raise GoingDown("the machine is going down")

    world.machine.acts["mayfly-job"] = Act(lasts=10_000, does=go_down)
    world.live()

    assert world.last["reason"] == "the machine is going down"
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
def test_a_notice_says_when_or_is_obeyed_at_once(notice: str, left: float) -> None:
    assert stop_time(notice, START, margin=30) == START + timedelta(seconds=left)


def test_a_short_job_may_end_before_spot_takes_the_instance(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=50)
    world.metadata.spot = None
    world.clock.after(20, lambda: setattr(world.metadata, "spot", in_minutes(3)))
    world.live()

    assert world.agent().signals == []
    assert (world.last["phase"], world.last["exit"]) == ("done", 0)


def test_an_agent_that_does_not_leave_is_killed_after_the_time_for_its_log(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=100_000, quits_in=None)
    world.live()

    assert world.phases[-1] == "done"
    assert "exit" not in world.last
    assert world.last["reason"] == "the agent did not end after its job"
    assert 25 * 60 <= world.clock.passed < 26 * 60
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-job.scope")


def test_a_job_may_run_for_longer_than_the_time_for_its_log(world: World) -> None:
    def run_a_child(_: object) -> None:
        world.machine.table.append(a_process(4300, "bootstrap", parent=4242))
        world.clock.after(40 * 60, world.machine.table.pop)

    world.machine.acts["mayfly-job"] = Act(lasts=41 * 60, does=run_a_child)
    world.live()

    assert (world.last["phase"], world.last["exit"]) == ("done", 0)
    assert world.agent().signals == []


def test_the_mailbox_may_be_gone_while_a_job_runs(world: World) -> None:
    def lose(_: object) -> None:
        world.clock.after(5, lambda: setattr(world.cloud, "gone", True))
        world.clock.after(900, lambda: setattr(world.cloud, "gone", False))

    world.machine.acts["mayfly-job"] = Act(lasts=1000, does=lose)
    world.live()

    assert world.agent().signals == []
    assert world.phases[-1] == "done"
