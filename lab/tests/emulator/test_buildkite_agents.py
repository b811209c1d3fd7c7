"""The agent API about the agent itself: register, heartbeat, acquire, start, disconnect, loss.

"Seen" marks an observation of buildkite-agent 3.83.1; other sources are named per test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.buildkite_client import Contract, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def test_register_returns_a_session_and_intervals_above_zero(bk: Contract) -> None:
    """buildkite/agent api/agents.go; seen: with 0 it panics, or polls 2,800 times a second."""
    answer = bk.registration(tags=("queue=deploy", "os=linux"))
    content = answer.json()
    assert answer.status_code == 200
    assert content["access_token"].startswith("bkaa_")
    assert content["id"]
    assert content["name"] == "agent-1"
    assert content["meta_data"] == ["queue=deploy", "os=linux"]
    for interval in ("ping_interval", "heartbeat_interval", "job_status_interval"):
        assert content[interval] > 0


def test_an_agent_of_an_unknown_queue_is_refused(bk: Contract) -> None:
    """buildkite/docs agent/queues.md says that register fails; the status is an assumption."""
    assert bk.registration(tags=("queue=nowhere",)).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v3/register"),
        ("POST", "/v3/heartbeat"),
        ("GET", "/v3/ping"),
        ("PUT", "/v3/jobs/{job}/acquire"),
        ("GET", "/v3/jobs/{job}"),
    ],
)
def test_answers_that_agents_decode_are_json_objects(bk: Contract, method: str, path: str) -> None:
    """Seen: an empty heartbeat answer makes the agent kill its job."""
    job_id = bk.one_job()
    session = bk.agent()
    token = {"/v3/register": bk.buildkite.agent_token}.get(path, session.token)
    if path == "/v3/jobs/{job}":
        session.acquire(job_id)
        token = session.job_token
    headers = {"X-Buildkite-Lock-Acquire-Job": "1"}
    body = {"name": "x", "sent_at": "2026-11-21T09:00:00Z"}
    answer = bk.call(method, path.format(job=job_id), body, token=token, headers=headers)
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)


def test_streaming_pings_are_404_so_agents_poll(bk: Contract) -> None:
    """buildkite/agent agent/agent_worker_streaming.go: after a 404 the agent polls for good."""
    path = "/agentedge.v1.AgentEdgeService/StreamPings"
    assert bk.call("POST", path).status_code == 404


def test_the_session_token_is_refused_after_disconnect(bk: Contract) -> None:
    session = bk.agent()
    assert session.call("POST", "/v3/disconnect").status_code == 200
    assert session.call("POST", "/v3/heartbeat", {}).status_code == 401


def test_acquire_returns_token_limits_step_and_environment(bk: Contract) -> None:
    """buildkite/agent api/jobs.go; seen: without chunks_max_size_bytes the job is dropped."""
    job_id = bk.one_job("steps: [{command: make, priority: 2, label: L}]")
    session = bk.agent(tags=("queue=default", "os=linux"))
    job = session.acquire(job_id).json()
    assert (job["id"], job["state"], job["priority"]) == (job_id, "accepted", 2)
    assert job["token"].startswith("bkaj_")
    assert job["chunks_max_size_bytes"] == 102400
    assert job["step"] == {"command": "make", "plugins": []}
    assert all(isinstance(value, str) for value in job["env"].values())
    assert bk.state(job_id) == "accepted"


REQUIRED = (
    "BUILDKITE_JOB_ID",
    "BUILDKITE_REPO",
    "BUILDKITE_COMMIT",
    "BUILDKITE_BRANCH",
    "BUILDKITE_AGENT_NAME",
    "BUILDKITE_ORGANIZATION_SLUG",
    "BUILDKITE_PIPELINE_SLUG",
    "BUILDKITE_PIPELINE_PROVIDER",
)


def test_the_environment_has_the_bootstraps_required_variables_and_names_the_agent(
    bk: Contract,
) -> None:
    """buildkite/agent clicommand/bootstrap.go; status page, incident of 7 May 2026."""
    session = bk.agent(tags=("queue=default", "os=linux"))
    env = session.acquire(bk.one_job()).json()["env"]
    assert [name for name in REQUIRED if not env.get(name)] == []
    assert env["BUILDKITE_AGENT_NAME"] == "agent-1"
    assert env["BUILDKITE_AGENT_META_DATA_QUEUE"] == "default"
    assert env["BUILDKITE_AGENT_META_DATA_OS"] == "linux"
    assert env["BUILDKITE_PULL_REQUEST"] == "false"
    assert env["BUILDKITE_PLUGINS"] == "[]"
    assert env["BUILDKITE_TIMEOUT"] == "false"


def test_a_step_cannot_change_buildkites_own_variables(bk: Contract) -> None:
    """buildkite/docs pages/pipelines/configure/environment_variables.md."""
    steps = "steps: [{command: x, env: {BUILDKITE_REPO: evil, BUILDKITE_BRANCH: main2, OWN: '1'}}]"
    env = bk.agent().acquire(bk.one_job(steps)).json()["env"]
    assert env["BUILDKITE_REPO"] == "https://git.example.org/demo.git"
    assert (env["BUILDKITE_BRANCH"], env["OWN"]) == ("main", "1")


def test_acquire_by_an_agent_of_another_queue_is_404(bk: Contract) -> None:
    """buildkite/agent-stack-k8s pull request 154."""
    job_id = bk.one_job()
    assert bk.agent(tags=("queue=deploy",)).acquire(job_id).status_code == 404
    assert bk.state(job_id) == "scheduled"


def test_acquire_ignores_the_agents_other_tags(bk: Contract) -> None:
    """buildkite/docs agent/cli/reference/start.md."""
    job_id = bk.one_job("steps: [{command: x, agents: {gpu: big}}]")
    assert bk.agent(tags=("gpu=none",)).acquire(job_id).status_code == 200


def test_acquire_of_a_waiting_job_is_423_with_retry_after(bk: Contract) -> None:
    """buildkite/agent core/client.go: 423 and Retry-After."""
    _, waiting = bk.jobs("steps: [{command: a}, wait, {command: b}]")
    answer = bk.agent().acquire(waiting.id)
    assert answer.status_code == 423
    assert float(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("end", ["finished", "canceled"])
def test_acquire_of_an_ended_job_is_rejected(bk: Contract, end: str) -> None:
    job_id = bk.one_job()
    if end == "finished":
        bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"})
    else:
        bk.buildkite.cancel_job(job_id)
    assert bk.agent().acquire(job_id).status_code == 422


def test_calls_about_a_job_need_its_own_token(bk: Contract) -> None:
    """buildkite/agent agent/fake_api_server_test.go; seen: agents repeat a finish after 404."""
    first, second = bk.jobs("steps: [{command: a}, {command: b}]")
    session = bk.running(first.id)
    other = bk.running(second.id)
    for path in ("/start", "/chunks?sequence=1", ""):
        method = {"/start": "PUT", "": "GET"}.get(path, "POST")
        target = f"/v3/jobs/{first.id}{path}"
        assert bk.call(method, target, {}, token=other.job_token).status_code == 404
        assert bk.call(method, target, {}, token=session.token).status_code == 401
    finish = f"/v3/jobs/{first.id}/finish"
    body = {"exit_status": "0"}
    assert bk.call("PUT", finish, body, token=other.job_token).status_code == 422
    assert bk.call("PUT", "/v3/jobs/none/finish", body, token=other.job_token).status_code == 422


def test_a_start_needs_an_acquire_and_may_be_repeated(bk: Contract) -> None:
    """The repeat after a lost answer is an assumption; seen: a refusal loses the job."""
    session = bk.agent()
    session.acquire(bk.one_job())
    assert session.start().status_code == 200
    assert session.start().status_code == 200
    assert bk.state(session.job_id) == "running"


def test_the_job_token_is_refused_after_the_job_finished(bk: Contract) -> None:
    """buildkite/docs agent/self_hosted/tokens.md: job tokens end with their job."""
    session = bk.running(bk.one_job())
    assert session.finish("0").status_code == 200
    assert session.job("GET").status_code == 401
    assert session.chunk(1, b"late").status_code == 401
    assert session.finish("0").status_code == 401
    assert session.job("POST", "/data/set", {"key": "k", "value": "v"}).status_code == 401


def test_a_silent_agent_is_lost_after_three_minutes_and_its_job_fails_with_minus_one(
    bk: Contract,
) -> None:
    """buildkite/docs agent/lifecycle.md and pages/pipelines/configure/retry.md."""
    session = bk.running(bk.one_job())
    bk.clock.advance(seconds=179)
    assert session.call("POST", "/v3/heartbeat", {}).status_code == 200
    bk.clock.advance(seconds=179)
    assert bk.state(session.job_id) == "running"
    bk.clock.advance(seconds=1)
    assert bk.state(session.job_id) == "finished"
    job = bk.buildkite.job(session.job_id)
    assert (job.outcome, job.exit_status, job.signal_reason) == ("failed", -1, None)
    assert session.call("POST", "/v3/heartbeat", {}).status_code == 401
    assert session.job("GET").status_code == 401


def test_an_agent_that_disconnects_from_a_running_job_is_lost_after_its_silence(
    bk: Contract,
) -> None:
    """An assumption: no source describes the three minutes before the loss."""
    session = bk.running(bk.one_job())
    session.call("POST", "/v3/disconnect")
    assert bk.state(session.job_id) == "running"
    bk.clock.advance(minutes=3)
    assert bk.state(session.job_id) == "finished"


def test_a_polling_agent_is_offered_the_most_urgent_job_that_it_matches(bk: Contract) -> None:
    """buildkite/docs agent/cli/reference/start.md (agent targeting) and job_priority.md."""
    jobs = bk.jobs(
        "steps: [{command: a}, {command: b, priority: 5, agents: {gpu: big}},"
        " {command: c, priority: 1}, {command: d, priority: 9, agents: {queue: deploy}}]"
    )
    answer = bk.call(
        "POST",
        "/v3/register",
        {"name": "poller", "meta_data": ["queue=default"], "ignore_in_dispatches": False},
        token=bk.buildkite.agent_token,
    )
    token = answer.json()["access_token"]
    bk.call("POST", "/v3/connect", token=token)
    assert bk.call("GET", "/v3/ping", token=token).json()["job"]["id"] == jobs[2].id
    assert bk.call("GET", "/v3/ping", token=token).json()["job"]["id"] == jobs[2].id
    accepted = bk.call("PUT", f"/v3/jobs/{jobs[2].id}/accept", token=token)
    assert accepted.status_code == 200
    assert bk.call("GET", "/v3/ping", token=token).json() == {}


def test_an_acquiring_agent_is_offered_nothing(bk: Contract) -> None:
    bk.one_job()
    assert bk.agent().call("GET", "/v3/ping").json() == {}


def test_a_job_offered_to_a_lost_agent_is_scheduled_again(bk: Contract) -> None:
    """buildkite/docs apis/graphql/schemas/enum/jobeventtype.md (ASSIGNED_EXPIRED)."""
    job_id = bk.one_job()
    body = {"name": "poller", "meta_data": [], "ignore_in_dispatches": False}
    answer = bk.call("POST", "/v3/register", body, token=bk.buildkite.agent_token)
    token = answer.json()["access_token"]
    bk.call("POST", "/v3/connect", token=token)
    assert bk.call("GET", "/v3/ping", token=token).json()["job"]["id"] == job_id
    assert bk.state(job_id) == "assigned"
    bk.clock.advance(minutes=3)
    assert bk.state(job_id) == "scheduled"
