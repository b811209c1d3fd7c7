"""Job acquisition tokens: what they open, and when they die.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/agent/self_hosted/job_acquisition_tokens.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from emulator.buildkite_client import Contract, contract

TWO = "steps: [{command: a, key: a}, {command: b, key: b}]"


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def issue(bk: Contract, *ids: str, **more: object) -> dict[str, Any]:
    answer = bk.stack("POST", "/job-acquisition-tokens", {"job_uuids": list(ids), **more})
    assert answer.status_code == 201
    content: dict[str, Any] = answer.json()
    return content


def token_for(bk: Contract, job_id: str, **more: object) -> str:
    [issued] = issue(bk, job_id, **more)["job_acquisition_tokens"]
    token: str = issued["job_acquisition_token"]
    return token


def reserved_job(bk: Contract, seconds: int = 900) -> str:
    job_id = bk.one_job()
    bk.reserve(job_id, reservation_expiry_seconds=seconds)
    return job_id


@pytest.mark.remote
def test_tokens_are_issued_for_reserved_jobs_of_this_stack_alone(bk: Contract) -> None:
    """The shape: buildkite/stacksapi job_acquisition_tokens.go."""
    mine, free, foreign = bk.jobs("steps: [{command: a}, {command: b}, {command: c}]")
    bk.register_stack("other")
    bk.reserve(mine.id)
    bk.reserve(foreign.id, key="other")
    answer = issue(bk, mine.id, free.id, foreign.id, "none")
    [issued] = answer["job_acquisition_tokens"]
    assert issued["job_uuid"] == mine.id
    assert issued["job_acquisition_token"].startswith("bkjat_")
    assert answer["not_issued"] == [free.id, foreign.id, "none"]


@pytest.mark.parametrize(
    ("asked", "reserved", "expected"),
    [(None, 3600, 900), (60, 3600, 60), (3600, 3600, 3600), (3600, 300, 300)],
)
def test_a_token_lives_as_long_as_asked_but_not_longer_than_the_reservation(
    bk: Contract, asked: int | None, reserved: int, expected: int
) -> None:
    job_id = reserved_job(bk, reserved)
    more = {} if asked is None else {"token_lifetime_seconds": asked}
    [issued] = issue(bk, job_id, **more)["job_acquisition_tokens"]
    until = bk.clock.now + timedelta(seconds=expected)
    assert datetime.fromisoformat(issued["expires_at"]) == until
    token = issued["job_acquisition_token"]
    bk.clock.advance(seconds=expected - 1)
    assert bk.registration(token).status_code == 200
    bk.clock.advance(seconds=1)
    assert bk.registration(token).status_code == 401


@pytest.mark.remote
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"job_uuids": ["x"] * 1001}, 422),
        ({"job_uuids": [], "token_lifetime_seconds": 0}, 422),
        ({"job_uuids": [], "token_lifetime_seconds": 3601}, 422),
    ],
)
def test_issuing_checks_its_parameters(bk: Contract, body: dict[str, object], status: int) -> None:
    assert bk.stack("POST", "/job-acquisition-tokens", body).status_code == status


@pytest.mark.remote
def test_a_token_runs_its_job_and_no_other(bk: Contract) -> None:
    """That the other job looks unknown: as with a job token, buildkite/agent fake_api_server."""
    first, second = bk.jobs(TWO)
    bk.reserve(first.id, second.id)
    agent = bk.agent(token_for(bk, first.id))
    assert agent.acquire(second.id).status_code == 404
    assert agent.acquire(first.id).status_code == 200


def test_a_token_of_another_queue_finds_no_job(bk: Contract) -> None:
    """buildkite/agent-stack-k8s pull request 154: the agent must be in the job's queue."""
    job_id = reserved_job(bk)
    agent = bk.agent(token_for(bk, job_id), tags=("queue=deploy",))
    assert agent.acquire(job_id).status_code == 404
    assert bk.state(job_id) == "reserved"


@pytest.mark.remote
def test_a_used_token_registers_nobody_else(bk: Contract) -> None:
    job_id = reserved_job(bk)
    token = token_for(bk, job_id)
    assert bk.agent(token).acquire(job_id).ok
    assert bk.registration(token).status_code == 401


@pytest.mark.parametrize("end", ["reservation expires", "job is canceled", "stack finishes it"])
def test_a_token_dies_with_the_reservation(bk: Contract, end: str) -> None:
    job_id = reserved_job(bk, 60)
    token = token_for(bk, job_id)
    assert bk.registration(token).status_code == 200
    if end == "reservation expires":
        bk.clock.advance(seconds=60)
    elif end == "job is canceled":
        bk.buildkite.cancel_job(job_id)
    else:
        bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"})
    assert bk.registration(token).status_code == 401


def test_a_token_does_not_come_back_with_a_later_reservation(bk: Contract) -> None:
    job_id = reserved_job(bk, 60)
    token = token_for(bk, job_id)
    bk.clock.advance(seconds=61)
    bk.reserve(job_id)
    assert bk.registration(token).status_code == 401


def test_a_token_dies_with_the_agent_token_that_issued_it(bk: Contract) -> None:
    job_id = reserved_job(bk)
    token = token_for(bk, job_id)
    bk.buildkite.faults.refused_tokens.add(bk.buildkite.agent_token)
    assert bk.registration(token).status_code == 401


@pytest.mark.remote
def test_a_token_opens_no_other_endpoint(bk: Contract) -> None:
    token = token_for(bk, reserved_job(bk))
    for method, path in (
        ("GET", "/v3/token"),
        ("GET", "/v3/stacks/mayfly-test/scheduled-jobs?queue_key=default"),
        ("GET", "/v3/ping"),
        ("POST", "/v3/stacks/register"),
    ):
        assert bk.call(method, path, token=token).status_code == 401
