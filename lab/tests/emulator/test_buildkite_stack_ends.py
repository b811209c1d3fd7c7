"""A stack's finish and notification calls, and the rate limits.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/apis/agent_api/stacks.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from emulator.buildkite_client import Contract, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def test_a_job_finished_by_a_stack_fails_with_minus_one_and_the_reason(bk: Contract) -> None:
    job_id = bk.one_job()
    bk.reserve(job_id)
    answer = bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "no capacity"})
    assert answer.status_code == 200
    job = bk.buildkite.job(job_id)
    assert (job.outcome, job.exit_status, job.signal_reason) == ("failed", -1, "stack_error")
    assert job.detail == "no capacity"
    assert bk.state(job_id) == "finished"


def test_a_stack_may_finish_a_job_with_exit_status_zero(bk: Contract) -> None:
    job_id = bk.one_job()
    bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "nothing to do", "exit_status": 0})
    assert bk.buildkite.job(job_id).outcome == "passed"


def test_a_stack_cannot_finish_a_job_of_an_agent_or_another_stack(bk: Contract) -> None:
    """Two assumptions: no source describes either case."""
    running, reserved = bk.jobs("steps: [{command: a}, {command: b}]")
    bk.running(running.id)
    bk.register_stack("other")
    bk.reserve(reserved.id, key="other")
    for job in (running, reserved):
        assert bk.stack("POST", f"/jobs/{job.id}/finish", {"detail": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("automatic", "retried"),
    [
        ("[{exit_status: -1}]", True),
        ("[{exit_status: '*'}]", False),
        ("[{exit_status: -1, signal_reason: stack_error, limit: 0}, {exit_status: -1}]", False),
    ],
)
def test_retry_rules_apply_to_jobs_that_a_stack_finishes(
    bk: Contract, automatic: str, retried: bool
) -> None:
    """`*` excludes -1: buildkite/docs pages/pipelines/configure/retry.md."""
    job_id = bk.one_job(f"steps: [{{command: x, retry: {{automatic: {automatic}}}}}]")
    bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"})
    job = bk.buildkite.job(job_id)
    assert (job.retried_in is not None) is retried
    assert bk.listed() == ([job.retried_in] if retried else [])


def notify(bk: Contract, *notices: dict[str, object]) -> list[dict[str, object]]:
    answer = bk.stack("POST", "/notifications", {"notifications": list(notices)})
    assert answer.status_code == 200
    errors: list[dict[str, object]] = answer.json()["errors"]
    return errors


def test_valid_notifications_are_stored_and_invalid_ones_returned_by_position(bk: Contract) -> None:
    job_id = bk.one_job()
    errors = notify(
        bk,
        {"job_uuid": job_id, "detail": "first"},
        {"job_uuid": job_id, "detail": ""},
        {"job_uuid": job_id},
        {"job_uuid": job_id, "detail": "x" * 257},
        {"job_uuid": job_id, "detail": "y" * 256},
        {"job_uuid": "none", "detail": "lost"},
    )
    assert [notice.detail for notice in bk.buildkite.job(job_id).notices] == ["first", "y" * 256]
    assert [entry["indexes"] for entry in errors] == [[1, 2], [3], [5]]
    assert errors[0]["error"] == "detail is required"


@pytest.mark.parametrize(("seconds", "taken"), [(0, True), (1, False), (-1, True), (-61, False)])
def test_the_time_of_a_notification_must_be_between_the_jobs_creation_and_now(
    bk: Contract, seconds: int, taken: bool
) -> None:
    job_id = bk.one_job()
    bk.clock.advance(seconds=60)
    at = (bk.clock.now + timedelta(seconds=seconds)).isoformat()
    errors = notify(bk, {"job_uuid": job_id, "detail": "x", "timestamp": at})
    assert bool(errors) is not taken


@pytest.mark.parametrize(("seconds", "taken"), [(300, True), (301, False)])
def test_notifications_are_refused_300_seconds_after_the_jobs_end(
    bk: Contract, seconds: int, taken: bool
) -> None:
    job_id = bk.one_job()
    bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"})
    bk.clock.advance(seconds=seconds)
    assert bool(notify(bk, {"job_uuid": job_id, "detail": "late"})) is not taken


@pytest.mark.parametrize(
    ("method", "path", "body", "scope", "limit"),
    [
        ("GET", "/scheduled-jobs?queue_key=default", None, "list-scheduled-jobs", 10),
        ("PUT", "/scheduled-jobs/batch-reserve", {"job_uuids": []}, "batch-reserve", 10),
        ("POST", "/jobs/get-states", {"job_uuids": []}, "batch-load-job-states", 20),
        ("POST", "/jobs/none/finish", {"detail": "x"}, "finish-job", 100),
        ("POST", "/notifications", {"notifications": []}, "stack-notification", 200),
        ("GET", "/jobs/none", None, "show-job", 1000),
    ],
)
def test_each_endpoint_has_its_own_limit_for_each_second(
    bk: Contract, method: str, path: str, body: object, scope: str, limit: int
) -> None:
    for used in range(1, limit + 1):
        answer = bk.stack(method, path, body)
        assert answer.status_code != 429
        assert answer.headers["RateLimit-Scope"] == scope
        assert answer.headers["RateLimit-Limit"] == str(limit)
        assert answer.headers["RateLimit-Remaining"] == str(limit - used)
        assert answer.headers["RateLimit-Reset"] == "1"
    refused = bk.stack(method, path, body)
    assert refused.status_code == 429
    assert refused.json() == {
        "message": "You have exceeded your API rate limit. "
        "Please wait 1 seconds before making more requests.",
        "scope": scope,
        "limit": limit,
        "current": limit + 1,
        "reset": 1,
    }
    assert refused.headers["RateLimit-Remaining"] == "0"


def test_the_rate_limit_window_slides_and_each_stack_key_has_its_own(bk: Contract) -> None:
    path = "/scheduled-jobs?queue_key=default"
    bk.register_stack("other")
    for _ in range(10):
        bk.stack("GET", path)
        bk.clock.advance(seconds=0.05)
    assert bk.stack("GET", path).status_code == 429
    assert bk.stack("GET", path, key="other").status_code == 200
    bk.clock.advance(seconds=0.5)
    assert bk.stack("GET", path).status_code == 200
    assert bk.stack("GET", path).status_code == 429
