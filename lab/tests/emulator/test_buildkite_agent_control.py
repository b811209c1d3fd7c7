"""Stop and pause orders for agents, and the fields of register and chunks.

The source of each expectation is named per test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildkite_emulator.jobs.logs import JobLog
from emulator.buildkite_client import Contract, Session, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def poller(bk: Contract) -> tuple[str, Session]:
    body = {"name": "poller", "meta_data": [], "ignore_in_dispatches": False}
    answer = bk.call("POST", "/v3/register", body, token=bk.buildkite.agent_token).json()
    session = Session(bk, answer["access_token"])
    assert session.call("POST", "/v3/connect").ok
    return answer["id"], session


def test_the_ping_of_a_stopped_agent_orders_disconnect(bk: Contract) -> None:
    """buildkite/docs apis/rest_api/agents.md; buildkite/agent agent/agent_worker_ping.go."""
    agent_id, session = poller(bk)
    bk.one_job()
    assert bk.rest("PUT", f"/agents/{agent_id}/stop", {"force": False}).status_code == 204
    assert session.call("GET", "/v3/ping").json()["action"] == "disconnect"
    session.call("POST", "/v3/disconnect")
    refused = bk.rest("PUT", f"/agents/{agent_id}/stop")
    assert (refused.status_code, refused.json()) == (
        400,
        {"message": "Can only stop connected agents"},
    )
    assert bk.rest("PUT", "/agents/none/stop").status_code == 404


@pytest.mark.parametrize(("body", "state"), [({"force": False}, "running"), ({}, "canceling")])
def test_a_rest_stop_is_forced_unless_force_is_false(
    bk: Contract, body: dict[str, bool], state: str
) -> None:
    """buildkite/docs apis/rest_api/agents.md: job and build are cancelled."""
    agent_id, session = poller(bk)
    job_id = bk.one_job()
    assert session.call("GET", "/v3/ping").json()["job"]["id"] == job_id
    accepted = session.call("PUT", f"/v3/jobs/{job_id}/accept").json()
    bk.call("PUT", f"/v3/jobs/{job_id}/start", {}, token=accepted["token"])
    assert bk.rest("PUT", f"/agents/{agent_id}/stop", body).status_code == 204
    assert bk.state(job_id) == state


def test_a_paused_agent_gets_no_job_until_a_resume_or_the_end_of_the_pause(bk: Contract) -> None:
    """buildkite/docs agent/self_hosted/pausing_and_resuming.md: five minutes by default."""
    agent_id, session = poller(bk)
    job_id = bk.one_job()
    assert bk.rest("PUT", f"/agents/{agent_id}/pause", {"note": "too many llamas"}).ok
    ping = session.call("GET", "/v3/ping").json()
    assert ping == {"action": "pause", "message": "too many llamas"}
    for _ in range(2):
        bk.clock.advance(seconds=150)
        session.call("POST", "/v3/heartbeat", {})
    assert session.call("GET", "/v3/ping").json()["job"]["id"] == job_id
    bk.rest("PUT", f"/agents/{agent_id}/pause", {"timeout_in_minutes": 60})
    assert session.call("GET", "/v3/ping").json()["action"] == "pause"
    assert bk.rest("PUT", f"/agents/{agent_id}/resume").status_code == 204
    assert session.call("GET", "/v3/ping").json()["job"]["id"] == job_id


def test_a_job_stops_and_pauses_its_own_agent(bk: Contract) -> None:
    """buildkite/agent api/agents.go: `stop`, `pause` and `resume`; this stop is not forced."""
    session = bk.running(bk.one_job())
    for path, action in (("pause", "pause"), ("resume", None), ("stop", "disconnect")):
        body = {"timeout_in_minutes": 1} if path == "pause" else {}
        assert bk.call("POST", f"/v3/{path}", body, token=session.job_token).ok
        assert session.call("GET", "/v3/ping").json().get("action") == action
        assert bk.state(session.job_id) == "running"
    assert bk.call("POST", "/v3/stop", {}, token=session.token).status_code == 401


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": ""}, 422),
        ({"meta_data": None}, 200),
        ({"meta_data": "queue=default"}, 400),
        ({"meta_data": [1]}, 400),
        ({"priority": "3"}, 200),
        ({"priority": "-1"}, 200),
        ({"priority": "high"}, 422),
    ],
)
def test_register_checks_the_types_of_its_fields(
    bk: Contract, change: dict[str, object], status: int
) -> None:
    """buildkite/agent api/agents.go for the types; the status of a refusal is assumed."""
    body = {"name": "a", "meta_data": [], **change}
    answer = bk.call("POST", "/v3/register", body, token=bk.buildkite.agent_token)
    assert answer.status_code == status


def test_job_session_and_api_tokens_register_no_agent(bk: Contract) -> None:
    """buildkite/docs agent/self_hosted/tokens.md: each token authorizes its own calls."""
    session = bk.running(bk.one_job())
    for token in (session.token, session.job_token, bk.buildkite.api_token):
        assert bk.registration(token=token).status_code == 401
    for token in (bk.buildkite.agent_token, session.job_token):
        assert bk.call("POST", "/v3/heartbeat", {}, token=token).status_code == 401
        assert bk.call("GET", "/v3/ping", token=token).status_code == 401


def test_finish_reports_the_number_of_lost_log_chunks(bk: Contract) -> None:
    """Seen: `chunks_failed_count` is a number in each finish."""
    session = bk.running(bk.one_job())
    body = {"exit_status": "0", "chunks_failed_count": "2"}
    assert session.job("PUT", "/finish", body).status_code == 400
    assert session.job("PUT", "/finish", {**body, "chunks_failed_count": 2}).status_code == 200
    assert bk.buildkite.chunks_lost(session.job_id) == 2


@pytest.mark.parametrize("query", ["sequence=x", "sequence=1&offset=-1", "sequence=1&size=x"])
def test_chunk_sequence_offset_and_size_must_be_numbers(bk: Contract, query: str) -> None:
    """buildkite/agent api/chunks.go."""
    session = bk.running(bk.one_job())
    assert session.job("POST", f"/chunks?{query}").status_code == 400


def test_a_log_is_cut_at_its_limit_for_any_order_of_chunks() -> None:
    """buildkite/docs platform/limits.md; seen: the agent warns and keeps sending."""
    log = JobLog(max_bytes=6)
    for sequence, offset, content in ((3, 8, b"ij"), (2, 4, b"efgh"), (1, 0, b"abcd")):
        log.add(sequence, content, offset)
    assert log.content() == b"abcdef"
