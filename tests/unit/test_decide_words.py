"""Reap: last words of failed hosts, and failed hosts that are kept for inspection."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mayfly.reap.actions import KeepLastWords, TerminateInstances
from mayfly.reap.view import ReapView
from mayfly.records.changes import Save
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly.tick.actions import WriteRecords
from mayfly_protocol.report import Report
from tests.unit.builders import (
    QUEUE,
    a_report,
    ago,
    an_instance,
    ec2_id,
    row,
    saves,
    seen,
)
from tests.unit.reap_views import decided

S = InstanceState
OVER = seen(state="terminated", reason="Client.InstanceInitiatedShutdown")


def a_view(one: Instance, reports: dict[str, Report] | None = None, **changes: Any) -> ReapView:
    made = ReapView(
        (one,), {ec2_id(): seen()}, reports or {}, {}, {}, frozenset(), {}, frozenset(), {}
    )
    return replace(made, **changes)


def kept(view: ReapView) -> list[KeepLastWords]:
    return [action for action in decided(view) if isinstance(action, KeepLastWords)]


FAILED = a_report("failed", reason="no space left", words="dd: error writing")


@pytest.mark.parametrize(
    ("story", "one", "report", "speaks"),
    [
        ("the host was never ready", an_instance(S.CONDEMNED), None, True),
        (
            "the host failed on a job",
            an_instance(S.CONDEMNED, proven=True, job="job-1"),
            None,
            True,
        ),
        ("the host gave up while idle", an_instance(S.CONDEMNED, proven=True), FAILED, True),
        ("the host was not needed", an_instance(S.CONDEMNED, proven=True), None, False),
        ("the host finished its job", an_instance(S.DONE, since=ago(3)), None, False),
        (
            "the last words are kept already",
            an_instance(S.CONDEMNED, words_kept=True),
            FAILED,
            False,
        ),
        ("the host has not failed", an_instance(S.READY), None, False),
    ],
)
def test_last_words_of_failed_hosts_are_kept(
    story: str, one: Instance, report: Report | None, speaks: bool
) -> None:
    assert bool(kept(a_view(one, {row(one): report} if report else {}))) is speaks, story


def test_last_words_are_recorded_as_kept_after_they_are_kept() -> None:
    one = an_instance(S.CONDEMNED, reason="no report for 5 minutes")
    (keep,) = kept(a_view(one))
    assert keep.then == (Save(replace(one, words_kept=True)),)
    assert keep.reason == "no report for 5 minutes"


def test_last_words_of_both_mailbox_rows_are_kept() -> None:
    one = an_instance(S.CONDEMNED)
    first = a_report("bootstrapped", words="installed git")
    (keep,) = kept(a_view(one, {row(one, "bootstrap"): first, row(one): FAILED}))
    assert keep.words == "installed git\ndd: error writing"


def test_last_words_of_a_host_that_ended_between_ticks_are_kept() -> None:
    one = an_instance(S.BOOTING, reason="the supervisor runs")
    actions = decided(a_view(one, {row(one): FAILED}, seen={ec2_id(): OVER}))
    assert [type(action) for action in actions[-1:]] == [KeepLastWords]
    assert actions[-1].reason == "no space left"


@pytest.mark.parametrize(
    ("state", "side", "report", "reason"),
    [
        (S.BOOTING, "bootstrap", FAILED, "no space left"),
        (S.SWAPPING, "bootstrap", a_report("bootstrapped"), "EC2 ended the instance: Client."),
        (S.READY, "sandbox", FAILED, "no space left"),
        (S.RUNNING, "sandbox", a_report("done", exit=0), "the agent ended with exit code 0"),
        (S.RUNNING, "sandbox", a_report("done", reason="taken by spot"), "taken by spot"),
        (S.RUNNING, "sandbox", a_report("running"), "EC2 ended the instance: Client."),
        (S.RUNNING, "bootstrap", FAILED, "EC2 ended the instance: Client."),
    ],
)
def test_the_record_of_a_host_that_ended_between_ticks_has_the_reported_reason(
    state: S, side: str, report: Report, reason: str
) -> None:
    """Only the sandbox row of a proven host counts: bootstrap credentials outlive the proof."""
    one = an_instance(state)
    actions = decided(a_view(one, {row(one, side): report}, seen={ec2_id(): OVER}))
    (closed,) = [saves(a)["Instance"] for a in actions if "Instance" in saves(a)]
    assert closed.state is S.TERMINATED
    assert closed.reason.startswith(reason)
    assert closed.ended_job == ("" if "EC2" in reason or state is not S.RUNNING else reason)


def test_no_last_words_are_kept_of_a_host_that_ended_after_its_job() -> None:
    one = an_instance(S.RUNNING)
    assert kept(a_view(one, {row(one): a_report("done", exit=0)}, seen={ec2_id(): OVER})) == []
    assert len(kept(a_view(one, {row(one): a_report("running")}, seen={ec2_id(): OVER}))) == 1


def test_the_record_of_a_host_that_shuts_down_has_the_reported_reason() -> None:
    one = an_instance(S.BOOTING)
    going = {ec2_id(): seen(state="shutting-down")}
    write = decided(a_view(one, {row(one, "bootstrap"): FAILED}, seen=going))[0]
    assert saves(write)["Instance"].reason == "no space left"


def test_last_words_are_not_kept_twice() -> None:
    one = an_instance(S.CONDEMNED, words_kept=True)
    assert kept(a_view(one, seen={ec2_id(): OVER})) == []


def test_a_host_is_condemned_then_terminated_and_then_its_last_words_are_kept() -> None:
    one = an_instance(S.LAUNCHING, since=ago(6))
    actions = decided(a_view(one))
    assert [type(action) for action in actions] == [WriteRecords, TerminateInstances, KeepLastWords]
    keep = actions[2]
    assert isinstance(keep, KeepLastWords)
    (then,) = keep.then
    assert isinstance(then, Save)
    assert then.record.version == saves(actions[0])["Instance"].version + 1


def is_terminated(one: Instance, minutes: int, queue: str = QUEUE) -> bool:
    keep = {queue: timedelta(minutes=minutes)}
    actions = decided(a_view(one, keep_failed=keep))
    return any(isinstance(action, TerminateInstances) for action in actions)


@pytest.mark.parametrize(
    ("one", "minutes", "dead"),
    [
        (an_instance(S.CONDEMNED, since=ago(29)), 30, False),
        (an_instance(S.CONDEMNED, since=ago(30)), 30, True),
        (an_instance(S.CONDEMNED, since=ago(29)), 0, True),
        (an_instance(S.CONDEMNED, since=ago(29), proven=True), 30, True),
        (an_instance(S.CONDEMNED, since=ago(29), proven=True, job="job-1"), 30, True),
    ],
)
def test_only_a_failed_host_that_was_never_ready_is_kept_for_inspection(
    one: Instance, minutes: int, dead: bool
) -> None:
    assert is_terminated(one, minutes) is dead


def test_the_keep_failed_minutes_of_another_queue_keep_no_host() -> None:
    assert is_terminated(an_instance(S.CONDEMNED), 30, queue="other")
