"""The agent API for the agent itself: registration and acquire.

Sources: "seen" means seen with buildkite-agent 3.83.1; each test names its other sources.
"""

from __future__ import annotations

from mayfly_cli.check_buildkite.suite.client import Client


def test_a_wrong_registration_token_is_refused_for_good(bk: Client) -> None:
    """Seen: 401 ends the agent at once; after 403, 422 and 500 it retries for five minutes."""
    answer = bk.registration(token="bkct_wrong")
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid access token"})


def test_acquire_requires_the_lock_header(bk: Client) -> None:
    """Source: buildkite/agent agent/fake_api_server_test.go."""
    session = bk.agent()
    assert session.call("PUT", f"/v3/jobs/{bk.one_job()}/acquire").status_code == 422


def test_a_second_agent_is_rejected_and_a_repeat_of_the_first_is_not(bk: Client) -> None:
    """Source: buildkite/agent core/client.go (exit 27); the answer to the repeat is an assumption.

    Seen: after a lost answer the agent sends the same acquire again.
    """
    job_id = bk.one_job()
    first, second = bk.agent(), bk.agent()
    taken = first.acquire(job_id).json()
    assert second.acquire(job_id).status_code == 422
    assert first.acquire(job_id).json()["token"] == taken["token"]
