"""Reap: deadlines, reports, ends, spot warnings; which instances are terminated and which not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from mayfly.answers import Ec2Instance
from mayfly.reap.actions import (
    ClearMailbox,
    KeepLastWords,
    TerminateInstances,
    WarnHost,
)
from mayfly.reap.decide import DESCRIBE_LAG, warn
from mayfly.reap.view import ReapView
from mayfly.records.changes import FreeSlots
from mayfly.records.model import Instance
from mayfly.records.states import (
    INSTANCE_STATES,
    ClaimState,
    InstanceState,
    InstanceTraits,
    Stop,
)
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from tests.unit.builders import (
    NOW,
    PINNED,
    QUEUE,
    a_report,
    ago,
    an_instance,
    assigned,
    ec2_id,
    row,
    saves,
    seen,
    slot,
)
from tests.unit.reap_views import AnyAction, decided

S = InstanceState


def a_view(*instances: Instance, **changes: Any) -> ReapView:
    """A view in which EC2 shows every instance running, unless `changes` says otherwise."""
    made = ReapView(
        instances=instances,
        seen={i.instance_id: seen(i.key.number) for i in instances if i.instance_id},
        reports={},
        running={},
        ended={},
        open_launches=frozenset(),
        strays={},
        unknown=frozenset(),
        keep_failed={},
    )
    return replace(made, **changes)


def state_of(actions: list[AnyAction]) -> InstanceState | None:
    """The last saved state of the only instance; None when no instance is saved."""
    records = [saves(action).get("Instance") for action in actions]
    found = [record.state for record in records if record is not None]
    return found[-1] if found else None


def terminated(actions: list[AnyAction]) -> tuple[str, ...]:
    return tuple(
        id_ for a in actions if isinstance(a, TerminateInstances) for id_ in a.instance_ids
    )


def kinds(actions: Sequence[AnyAction]) -> list[type[AnyAction]]:
    return [type(action) for action in actions]


# -- deadlines -------------------------------------------------------------------------------------

LIMITS = [
    (S.LAUNCHING, timedelta(minutes=5), {}),
    (S.LAUNCHING, timedelta(minutes=20), {"boot_minutes": 20}),
    (S.LAUNCHING, timedelta(minutes=2), {"boot_minutes": 2}),
    (S.BOOTING, timedelta(minutes=10), {}),
    (S.BOOTING, timedelta(minutes=25), {"pinned": replace(PINNED, script_minutes=15)}),
    (S.BOOTSTRAPPED, timedelta(minutes=2), {}),
    (S.SWAPPING, timedelta(minutes=6), {}),
    (S.ASSIGNED, timedelta(seconds=45), {}),
    (S.RUNNING, timedelta(minutes=750), {}),
    (S.RUNNING, timedelta(minutes=60), {"max_minutes": 30}),
    (S.STOPPING, timedelta(minutes=15), {}),
    (S.STARTING, timedelta(minutes=5), {}),
    (S.STARTING, timedelta(minutes=20), {"boot_minutes": 20}),
]


@pytest.mark.parametrize(("state", "limit", "changes"), LIMITS)
def test_an_instance_may_stay_in_a_state_until_its_deadline(
    state: InstanceState, limit: timedelta, changes: dict[str, Any]
) -> None:
    one = an_instance(state, since=NOW - limit, **changes)
    assert decided(a_view(one)) == []


@pytest.mark.parametrize(("state", "limit", "changes"), LIMITS)
def test_an_instance_past_the_deadline_of_its_state_is_condemned_and_terminated(
    state: InstanceState, limit: timedelta, changes: dict[str, Any]
) -> None:
    since = NOW - limit - timedelta(seconds=1)
    actions = decided(a_view(an_instance(state, since=since, **changes)))
    assert state_of(actions[:1]) is S.CONDEMNED
    minutes, seconds = divmod(int(limit.total_seconds()), 60)
    words = f"{minutes} minutes" if minutes else f"{seconds} seconds"
    assert f"the instance was {state} for longer than {words}" in actions[0].reason
    assert terminated(actions) == (ec2_id(),)


def test_every_state_with_a_deadline_is_tested() -> None:
    """REQUESTED has its deadline in `provision`, which settles the launch."""
    tested = {state for state, _, _ in LIMITS} | {S.DONE, S.CONDEMNED, S.REQUESTED}
    assert tested == {state for state, row in INSTANCE_STATES.items() if row.deadline is not None}


def test_reap_has_no_deadline_for_ready_instances() -> None:
    assert decided(a_view(an_instance(S.READY, since=ago(9999)))) == []


def test_reap_leaves_requested_instances_to_provision() -> None:
    assert decided(a_view(an_instance(S.REQUESTED, since=ago(9999)))) == []


@pytest.mark.parametrize(("minutes", "dies"), [(0.8, False), (750, False), (750.1, True)])
def test_an_assigned_host_that_reports_running_has_the_time_of_a_job(
    minutes: float, dies: bool
) -> None:
    """Dispatch may have failed to read the job's state; the host's report proves a running job."""
    one = an_instance(S.ASSIGNED, since=ago(minutes))
    actions = decided(a_view(one, reports={row(one): a_report("running")}))
    assert terminated(actions) == ((ec2_id(),) if dies else ())


@pytest.mark.parametrize(("minutes", "dies"), [(0, False), (25, False), (25.1, True)])
def test_an_instance_may_outlive_its_finished_claim_by_25_minutes(
    minutes: float, dies: bool
) -> None:
    one = an_instance(S.RUNNING, since=ago(60))
    claim = assigned(
        state=ClaimState.FINISHED, since=ago(minutes), reason="Buildkite says canceled"
    )
    actions = decided(a_view(one, finished={slot(): claim}))
    assert terminated(actions) == ((ec2_id(),) if dies else ())
    if dies:
        assert (
            "its job ended more than 25 minutes ago (Buildkite says canceled), and the instance "
            "has neither reported nor ended"
        ) in actions[0].reason


# -- reports of hosts and states of EC2 ------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    story: str
    state: InstanceState
    report: Report | None = None
    ec2: str = "running"
    then: InstanceState | None = None
    dies: bool = False
    changes: dict[str, Any] = field(default_factory=dict)


FAILED = a_report("failed", reason="the agent could not be started")
CASES = [
    Case("a host with a running job is left alone", S.RUNNING, a_report("running")),
    Case(
        "a host is done when its agent has ended",
        S.RUNNING,
        a_report("done", exit=0),
        then=S.DONE,
    ),
    Case("a host is done with any exit code", S.RUNNING, a_report("done", exit=27), then=S.DONE),
    Case("a busy host that gives up is done", S.RUNNING, FAILED, then=S.DONE),
    Case("a done host has two minutes to power off", S.DONE, changes={"since": ago(2)}),
    Case(
        "a done host is terminated after two minutes",
        S.DONE,
        dies=True,
        changes={"since": ago(2.1)},
    ),
    Case("a ready host that gives up is condemned", S.READY, FAILED, then=S.CONDEMNED, dies=True),
    Case(
        "an assigned host that gives up is condemned",
        S.ASSIGNED,
        FAILED,
        then=S.CONDEMNED,
        dies=True,
    ),
    Case(
        "an assigned host that waits for acceptance is left alone",
        S.ASSIGNED,
        a_report("sandboxed"),
    ),
    Case("a failed host before ready is left to sandbox", S.BOOTING, FAILED),
    Case("a condemned host is terminated", S.CONDEMNED, dies=True),
    Case("a condemned host that shuts down is left alone", S.CONDEMNED, ec2="shutting-down"),
    Case("a condemned host that was stopped is terminated", S.CONDEMNED, ec2="stopped", dies=True),
    Case("a ready host that shuts down is condemned", S.READY, None, "shutting-down", S.CONDEMNED),
    Case(
        "a swapping host that shuts down is condemned",
        S.SWAPPING,
        None,
        "shutting-down",
        S.CONDEMNED,
    ),
    Case(
        "a ready host that was stopped is condemned",
        S.READY,
        None,
        "stopped",
        S.CONDEMNED,
        dies=True,
    ),
    Case(
        "a booting host that is being stopped is condemned",
        S.BOOTING,
        None,
        "stopping",
        S.CONDEMNED,
        dies=True,
    ),
    Case("a busy host that shuts down is left alone", S.RUNNING, None, "shutting-down"),
    Case("a busy host that is being stopped is left alone", S.RUNNING, None, "stopping"),
    Case(
        "a busy host that was stopped is condemned", S.RUNNING, None, "stopped", S.CONDEMNED, True
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.story)
def test_how_reap_treats_an_instance(case: Case) -> None:
    one = an_instance(case.state, **case.changes)
    reports = {row(one): case.report} if case.report else {}
    actions = decided(a_view(one, reports=reports, seen={ec2_id(): seen(state=case.ec2)}))
    writes = [action for action in actions if isinstance(action, WriteRecords)]
    assert state_of([*writes]) is case.then
    assert terminated(actions) == ((ec2_id(),) if case.dies else ())


def test_the_record_keeps_the_exit_code_that_the_host_reports() -> None:
    one = an_instance(S.RUNNING)
    (write,) = decided(a_view(one, reports={row(one): a_report("done", exit=7)}))
    assert saves(write)["Instance"].ended_job == "the agent ended with exit code 7"


def test_an_instance_that_runs_a_job_is_not_terminated_before_its_limit() -> None:
    for phase in Phase:
        for state in ("pending", "running", "shutting-down", "stopping"):
            one = an_instance(S.RUNNING, since=ago(749))
            view = a_view(
                one, reports={row(one): a_report(phase)}, seen={ec2_id(): seen(state=state)}
            )
            assert terminated(decided(view)) == (), (phase, state)


# -- the end ---------------------------------------------------------------------------------------

OVER = seen(state="terminated", reason="Server.SpotInstanceTermination")
OPEN = [s for s in S if s not in {S.REQUESTED, S.TERMINATED}]


@pytest.mark.parametrize("state", OPEN)
def test_a_terminated_instance_is_closed_and_its_slot_freed_once(state: InstanceState) -> None:
    actions = decided(a_view(an_instance(state, reason="why"), seen={ec2_id(): OVER}))
    (write,) = [action for action in actions if isinstance(action, WriteRecords)]
    closed = saves(write)["Instance"]
    assert closed.state is S.TERMINATED
    assert closed.words_kept is not closed.owes_words
    assert [c for c in write.changes if isinstance(c, FreeSlots)] == [FreeSlots(QUEUE, 1)]
    explained = state in {S.CONDEMNED, S.DONE}
    assert closed.reason == ("why" if explained else f"EC2 ended the instance: {OVER.reason}")
    assert terminated(actions) == ()


def test_mailbox_rows_are_cleared_then_the_record_is_closed_then_provision_is_nudged() -> None:
    actions = decided(a_view(an_instance(S.DONE), seen={ec2_id(): OVER}))
    assert kinds(actions) == [ClearMailbox, WriteRecords, NudgeProvision]


def test_a_running_claim_ends_with_its_instance_in_one_write() -> None:
    one, claim = an_instance(S.RUNNING), assigned(state=ClaimState.RUNNING)
    actions = decided(a_view(one, running={slot(): claim}, seen={ec2_id(): OVER}))
    (write,) = [action for action in actions if isinstance(action, WriteRecords)]
    assert saves(write)["Claim"].state is ClaimState.FINISHED
    assert "SpotInstanceTermination" in saves(write)["Claim"].reason
    assert saves(write)["Instance"].state is S.TERMINATED


def test_a_running_claim_of_a_closed_instance_is_finished() -> None:
    claim = assigned(state=ClaimState.RUNNING)
    (write,) = decided(
        a_view(
            running={slot(): claim},
            ended={slot(): an_instance(S.TERMINATED, reason="EC2 ended the instance: odd")},
        )
    )
    assert saves(write)["Claim"].state is ClaimState.FINISHED
    assert saves(write)["Claim"].reason == (
        f"instance {ec2_id()} ended at 09:00:00 UTC while its job ran: EC2 ended the instance: odd"
    )


# -- instances that EC2 does not show --------------------------------------------------------------


@pytest.mark.parametrize("state", OPEN)
def test_an_instance_missing_from_one_answer_of_ec2_is_noted_and_stays_open(
    state: InstanceState,
) -> None:
    actions = decided(a_view(an_instance(state, created=ago(300)), seen={}))
    assert state_of(actions[:1]) is state
    assert saves(actions[0])["Instance"].unseen_since == NOW
    assert ClearMailbox not in kinds(actions)


def unseen(since: datetime) -> ReapView:
    return a_view(an_instance(S.RUNNING, unseen_since=since), seen={})


def test_an_instance_that_ec2_does_not_show_for_ten_minutes_is_closed() -> None:
    assert decided(unseen(NOW - DESCRIBE_LAG)) == []
    actions = decided(unseen(NOW - DESCRIBE_LAG - timedelta(seconds=1)))
    assert state_of(actions) is S.TERMINATED
    (write,) = [action for action in actions if isinstance(action, WriteRecords)]
    assert "EC2 does not show it any more" in write.reason


def test_an_instance_that_ec2_shows_again_is_no_longer_unseen() -> None:
    (write,) = decided(a_view(an_instance(S.RUNNING, unseen_since=ago(9))))
    assert saves(write)["Instance"].unseen_since is None
    assert saves(write)["Instance"].state is S.RUNNING


def test_the_deadline_of_an_unseen_instance_is_kept() -> None:
    one = an_instance(S.LAUNCHING, since=ago(6))
    actions = decided(a_view(one, seen={}))
    versions = [saves(a)["Instance"].version for a in actions if isinstance(a, WriteRecords)]
    assert versions == [one.version, one.version + 1]
    assert terminated(actions) == (ec2_id(),)


@pytest.mark.parametrize("ec2", ["stopping", "stopped"])
def test_a_stopped_instance_is_left_alone_if_its_state_allows_stops(
    monkeypatch: pytest.MonkeyPatch, ec2: str
) -> None:
    """Only the row of a state says whether a stop condemns its instance."""
    one = an_instance(S.READY)
    view = a_view(one, seen={one.instance_id: seen(state=ec2)})
    assert terminated(decided(view)) == (ec2_id(),)
    may_be_stopped = replace(S.READY.traits, stop=Stop.EXPECTED)
    monkeypatch.setitem(cast("dict[S, InstanceTraits]", INSTANCE_STATES), S.READY, may_be_stopped)
    assert decided(view) == []


# -- spot warnings ---------------------------------------------------------------------------------

TAKEN = NOW + timedelta(minutes=2)


@pytest.mark.parametrize("state", list(S))
def test_a_spot_warning_condemns_or_warns_by_state(state: InstanceState) -> None:
    one = an_instance(state)
    actions = list(warn(one, TAKEN, NOW).actions)
    warm = {S.READY, S.STOPPING, S.STOPPED, S.STARTING}
    if state in {S.LAUNCHING, S.BOOTING, S.BOOTSTRAPPED, S.SWAPPING, *warm}:
        assert kinds(actions) == [WriteRecords, NudgeProvision]
        assert saves(actions[0])["Instance"].state is S.CONDEMNED
        assert (
            saves(actions[0])["Instance"].reason
            == f"EC2 takes the spot instance back at {TAKEN.isoformat()}"
        )
    elif state in {S.ASSIGNED, S.RUNNING}:
        text = f"EC2 takes the spot instance back at {TAKEN.isoformat()}"
        assert actions == [WarnHost(row(one), TAKEN.isoformat(), text)]
    else:
        assert actions == []


def test_equal_views_of_reap_give_equal_actions() -> None:
    many = [an_instance(state, n, since=ago(30)) for n, state in enumerate(OPEN)]
    shows: dict[str, Ec2Instance] = {ec2_id(n): seen(n) for n in range(5)}
    assert decided(a_view(*many, seen=shows)) == decided(a_view(*many, seen=shows))
    assert KeepLastWords in kinds(decided(a_view(*many, seen=shows)))
