"""Reap: stops and starts that Mayfly commanded, and those from outside."""

from __future__ import annotations

import pytest

from mayfly.records.changes import NoteBoot
from mayfly.records.states import InstanceState
from mayfly.tick.actions import NudgeProvision, WriteRecords
from tests.unit.builders import NOW, a_report, ago, an_instance, ec2_id, row, saves, seen
from tests.unit.reap_views import decided
from tests.unit.test_decide_reap import a_view, kinds, state_of, terminated

S = InstanceState


@pytest.mark.parametrize("ec2", ["running", "stopping"])
def test_a_commanded_stop_is_waited_for(ec2: str) -> None:
    one = an_instance(S.STOPPING)
    assert decided(a_view(one, seen={ec2_id(): seen(state=ec2)})) == []


def test_a_commanded_stop_ends_with_a_stopped_instance_that_provision_hears_of() -> None:
    actions = decided(a_view(an_instance(S.STOPPING), seen={ec2_id(): seen(state="stopped")}))
    assert kinds(actions) == [WriteRecords, NudgeProvision]
    assert state_of(actions[:1]) is S.STOPPED


@pytest.mark.parametrize("ec2", ["stopped", "stopping"])
def test_a_stopped_instance_stays_for_any_time(ec2: str) -> None:
    one = an_instance(S.STOPPED, since=ago(99999))
    assert decided(a_view(one, seen={ec2_id(): seen(state=ec2)})) == []


@pytest.mark.parametrize("ec2", ["pending", "running"])
def test_a_stopped_instance_that_somebody_else_started_is_ended(ec2: str) -> None:
    actions = decided(a_view(an_instance(S.STOPPED), seen={ec2_id(): seen(state=ec2)}))
    assert state_of(actions[:1]) is S.CONDEMNED
    assert saves(actions[0])["Instance"].reason == "the stopped instance was started from outside"
    assert terminated(actions) == (ec2_id(),)


@pytest.mark.parametrize("ec2", ["stopped", "pending", "running"])
def test_a_commanded_start_is_waited_for(ec2: str) -> None:
    one = an_instance(S.STARTING)
    assert decided(a_view(one, seen={ec2_id(): seen(state=ec2)})) == []


@pytest.mark.parametrize("state", [S.STOPPING, S.STOPPED, S.STARTING])
def test_an_instance_that_ends_while_it_is_stopped_is_closed_with_ec2s_reason(
    state: InstanceState,
) -> None:
    gone = seen(state="terminated", reason="Client.UserInitiatedShutdown")
    actions = decided(a_view(an_instance(state, since=ago(1)), seen={ec2_id(): gone}))
    closed = next(saves(a)["Instance"] for a in actions if saves(a))
    assert closed.state is S.TERMINATED
    assert closed.reason == "EC2 ended the instance: Client.UserInitiatedShutdown"


@pytest.mark.parametrize("state", [S.STOPPING, S.STOPPED])
def test_the_report_of_a_host_that_goes_down_for_a_stop_changes_nothing(
    state: InstanceState,
) -> None:
    one = an_instance(state)
    reports = {row(one): a_report("failed", reason="the machine goes down")}
    assert decided(a_view(one, seen={ec2_id(): seen(state="stopping")}, reports=reports)) == []


def test_a_failed_start_counts_among_the_idle_ends_and_no_brake() -> None:
    one = an_instance(S.STARTING, since=ago(6), created=ago(600))
    (note,) = [
        change
        for action in decided(a_view(one, seen={ec2_id(): seen()}))
        for change in getattr(action, "changes", ())
        if isinstance(change, NoteBoot)
    ]
    assert (note.boot.set_up, note.boot.launched, note.boot.at) == ("idle", ago(6), NOW)


USER = "Client.UserInitiatedShutdown: User initiated shutdown"
ITSELF = "Client.InstanceInitiatedShutdown"
DOWN = "the machine is going down"


@pytest.mark.parametrize(
    ("said", "ec2", "reason"),
    [
        (DOWN, USER, f"{DOWN}: the instance was terminated from outside ({USER})"),
        (DOWN, ITSELF, f"{DOWN}: the machine switched itself off ({ITSELF})"),
        (DOWN, "Server.Odd: no words", f"{DOWN}: Server.Odd: no words"),
        (DOWN, "", DOWN),
        ("the agent ended with exit code 0", ITSELF, "the agent ended with exit code 0"),
    ],
)
def test_the_end_of_a_machine_that_was_switched_off_under_its_job_has_ec2s_reason(
    said: str, ec2: str, reason: str
) -> None:
    gone = {ec2_id(): seen(state="terminated", reason=ec2)}
    done = an_instance(S.DONE, reason=said, ended_job=said)
    running = an_instance(S.RUNNING)
    report = {row(running): a_report("done", reason=said)}
    for view in (a_view(done, seen=gone), a_view(running, seen=gone, reports=report)):
        closed = next(saves(a)["Instance"] for a in decided(view) if saves(a))
        assert (closed.state, closed.reason) == (S.TERMINATED, reason)
        assert closed.ended_job == said
