"""Job acquisition tokens: the calls that a token allows, and the end of its life.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/agent/self_hosted/job_acquisition_tokens.md.
"""

from __future__ import annotations

import pytest

from mayfly_cli.check_buildkite.suite.acquisition_tokens import issue, reserved_job, token_for
from mayfly_cli.check_buildkite.suite.client import Client

TWO = "steps: [{command: a, key: a}, {command: b, key: b}]"


def test_tokens_are_issued_for_reserved_jobs_of_this_stack_alone(bk: Client) -> None:
    """Source of the answer's shape: buildkite/stacksapi job_acquisition_tokens.go."""
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
    ("body", "status"),
    [
        ({}, 400),
        ({"job_uuids": ["x"] * 1001}, 422),
        ({"job_uuids": [], "token_lifetime_seconds": 0}, 422),
        ({"job_uuids": [], "token_lifetime_seconds": 3601}, 422),
    ],
)
def test_issuing_checks_its_parameters(bk: Client, body: dict[str, object], status: int) -> None:
    assert bk.stack("POST", "/job-acquisition-tokens", body).status_code == status


def test_a_token_runs_its_job_and_no_other(bk: Client) -> None:
    """The 404 for the other job is the answer to a job token: buildkite/agent fake_api_server."""
    first, second = bk.jobs(TWO)
    bk.reserve(first.id, second.id)
    agent = bk.agent(token_for(bk, first.id))
    assert agent.acquire(second.id).status_code == 404
    assert agent.acquire(first.id).status_code == 200


def test_a_used_token_registers_no_second_agent(bk: Client) -> None:
    job_id = reserved_job(bk)
    token = token_for(bk, job_id)
    assert bk.agent(token).acquire(job_id).ok
    assert bk.registration(token).status_code == 401


def test_a_token_opens_no_other_endpoint(bk: Client) -> None:
    token = token_for(bk, reserved_job(bk))
    for method, path in (
        ("GET", "/v3/token"),
        ("GET", "/v3/stacks/mayfly-test/scheduled-jobs?queue_key=default"),
        ("GET", "/v3/ping"),
        ("POST", "/v3/stacks/register"),
    ):
        assert bk.call(method, path, token=token).status_code == 401
