"""Retries of jobs, by rule and by hand.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/pipelines/configure/retry.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildkite_emulator import RefusedError
from emulator.buildkite_client import Contract, Run, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.mark.parametrize(
    ("rule", "end", "retried"),
    [
        ("true", ("1", None, None), True),
        ("true", ("0", None, None), False),
        ("false", ("1", None, None), False),
        ("[{exit_status: [3, 5]}]", ("5", None, None), True),
        ("[{exit_status: [3, 5]}]", ("4", None, None), False),
        ("[{exit_status: '*'}]", ("255", None, None), True),
        ("[{exit_status: '*'}]", ("-1", None, None), False),
        ("[{exit_status: -1}]", ("-1", "SIGTERM", "agent_stop"), True),
        ("[{signal_reason: agent_stop}]", ("255", None, "agent_stop"), True),
        ("[{signal_reason: agent_stop}]", ("255", None, "cancel"), False),
        ("[{exit_status: -1, signal_reason: none}]", ("-1", None, None), True),
        ("[{exit_status: -1, signal_reason: none}]", ("-1", None, "agent_refused"), False),
        ("[{exit_status: -1, signal: kill}]", ("-1", "SIGKILL", None), True),
        ("[{exit_status: -1, signal: SigTerm}]", ("-1", "SIGKILL", None), False),
        ("[{exit_status: 1, signal: none}]", ("1", None, None), True),
        ("[{exit_status: 1, limit: 0}, {exit_status: '*'}]", ("1", None, None), False),
        ("{exit_status: 1, limit: 1}", ("1", None, None), True),
    ],
)
def test_a_retry_rule_matches_the_end_of_a_job(
    bk: Contract, rule: str, end: tuple[str, str | None, str | None], retried: bool
) -> None:
    status, signal, reason = end
    run = Run(bk, f"steps: [{{command: a, retry: {{automatic: {rule}}}}}]")
    job_id = run.job_id("a")
    given = {"signal": signal, "signal_reason": reason}
    bk.running(job_id).finish(status, **{k: v for k, v in given.items() if v})
    assert (bk.buildkite.job(job_id).retried_in is not None) is retried


def test_a_retry_is_a_new_job_linked_both_ways(bk: Contract) -> None:
    run = Run(bk, "steps: [{command: a, retry: {automatic: true}}, wait, {command: b}]")
    first = run.job_id("a")
    run.end("a", "1")
    second = run.job_id("a")
    assert second != first
    assert bk.buildkite.job(first).retried_in == second
    again = bk.buildkite.job(second)
    assert (again.retry_of, again.retry_count, str(again.state)) == (first, 1, "scheduled")
    assert run.state == "running"
    env = bk.stack("GET", f"/jobs/{second}").json()["env"]
    assert (env["BUILDKITE_RETRY_COUNT"], env["BUILDKITE_RETRY_TYPE"]) == ("1", "automatic")
    run.end("a", "0")
    assert run.states()["b"] == "scheduled"


def test_each_rule_keeps_its_own_count(bk: Contract) -> None:
    rules = "[{exit_status: 1, limit: 1}, {exit_status: 2, limit: 2}]"
    run = Run(bk, f"steps: [{{command: a, retry: {{automatic: {rules}}}}}]")
    for status in ("2", "1", "2"):
        run.end("a", status)
        assert run.state == "running"
    run.end("a", "1")
    assert run.state == "failed"
    assert len(bk.buildkite.jobs()) == 4


def test_canceled_jobs_and_canceled_builds_are_not_retried(bk: Contract) -> None:
    steps = "steps: [{command: a, retry: {automatic: [{exit_status: '*'}, {exit_status: -1}]}}]"
    for whole in (False, True):
        run = Run(bk, steps)
        session = bk.running(run.job_id("a"))
        if whole:
            bk.buildkite.cancel_build(run.id)
            assert run.state == "canceling"
        else:
            bk.buildkite.cancel_job(session.job_id)
        session.finish("-1", signal_reason="cancel")
        assert bk.buildkite.job(session.job_id).retried_in is None
        assert run.state == ("canceled" if whole else "failed")


def test_a_lost_agents_job_is_retried_when_a_rule_names_minus_one(bk: Contract) -> None:
    run = Run(bk, "steps: [{command: a, retry: {automatic: [{exit_status: -1, limit: 1}]}}]")
    lost = bk.running(run.job_id("a")).job_id
    bk.clock.advance(minutes=3)
    assert bk.buildkite.job(lost).retried_in == run.job_id("a")
    assert run.state == "running"


def test_a_job_that_timed_out_is_retried_by_the_cancel_reason(bk: Contract) -> None:
    steps = (
        "steps: [{command: a, timeout_in_minutes: 1, retry: {automatic: {signal_reason: cancel}}}]"
    )
    run = Run(bk, steps)
    session = bk.running(run.job_id("a"))
    bk.clock.advance(minutes=1)
    session.finish("255", signal_reason="cancel")
    assert bk.buildkite.job(session.job_id).outcome == "timed_out"
    assert bk.buildkite.job(session.job_id).retried_in is not None


def test_a_manual_retry_lets_the_build_go_on(bk: Contract) -> None:
    """buildkite/docs apis/rest_api/jobs.md."""
    run = Run(bk, "steps: [{command: a}, wait, {command: b}]")
    run.end("a", "1")
    first = run.job_id("a")
    assert (run.state, run.states()["b"]) == ("failed", "waiting_failed")
    again = bk.buildkite.retry_job(first)
    assert (str(again.state), again.retry_of) == ("scheduled", first)
    assert (run.state, run.states()["b"]) == ("running", "waiting")
    run.end("a", "0")
    assert run.states()["b"] == "scheduled"
    with pytest.raises(RefusedError):
        bk.buildkite.retry_job(first)


@pytest.mark.parametrize(
    ("manual", "status", "refused"),
    [
        ("true", "1", None),
        ("true", "0", 400),
        ("{permit_on_passed: true}", "0", None),
        ("{allowed: false, reason: no}", "1", 403),
        ("false", "1", 403),
    ],
)
def test_the_manual_retry_rule_allows_or_refuses_a_retry_by_hand(
    bk: Contract, manual: str, status: str, refused: int | None
) -> None:
    """buildkite/docs apis/rest_api/jobs.md; 403 for a forbidding step is an assumption."""
    run = Run(bk, f"steps: [{{command: a, retry: {{manual: {manual}}}}}]")
    run.end("a", status)
    answer = bk.rest("PUT", f"/jobs/{run.job_id('a')}/retry")
    assert answer.status_code == (refused or 200)
