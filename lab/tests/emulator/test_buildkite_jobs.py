"""The life of one job: log, end, cancel, timeout, meta-data.

"Seen" marks an observation of buildkite-agent 3.83.1; other sources are named per test.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from buildkite_emulator import RefusedError
from emulator.buildkite_client import Contract, Session, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.fixture
def session(bk: Contract) -> Session:
    return bk.running(bk.one_job("steps: [{command: make, timeout_in_minutes: 5}]"))


def test_chunks_in_any_order_are_joined_by_sequence(bk: Contract, session: Session) -> None:
    """Seen: 126 of 614 chunks out of order, split inside characters and escapes."""
    text = "".join(f"\x1b_bk;t={i}\x07line {i} é\r\n" for i in range(200)).encode()
    parts = [text[start : start + 7] for start in range(0, len(text), 7)]
    numbered = list(enumerate(parts, start=1))
    random.Random(7).shuffle(numbered)
    for sequence, part in numbered:
        assert session.chunk(sequence, part).status_code == 201
    assert bk.buildkite.log(session.job_id) == text


def test_a_repeated_chunk_counts_once_and_a_gap_does_not_end_the_log(
    bk: Contract, session: Session
) -> None:
    """Seen: after a lost answer the agent repeats a sequence, sometimes after higher ones."""
    for sequence, content in ((1, b"a"), (3, b"c"), (1, b"a"), (3, b"c")):
        assert session.chunk(sequence, content).ok
    assert bk.buildkite.log(session.job_id) == b"ac"
    assert session.chunk(2, b"b").ok
    assert bk.buildkite.log(session.job_id) == b"abc"


def test_a_chunk_that_is_not_gzip_or_has_no_sequence_is_refused(
    bk: Contract, session: Session
) -> None:
    assert session.job("POST", "/chunks?sequence=0").status_code == 400
    url = f"{bk.buildkite.url}/v3/jobs/{session.job_id}/chunks?sequence=1"
    headers = {"Authorization": f"Token {session.job_token}", "Content-Encoding": "gzip"}
    assert bk.http.post(url, data=b"plain", headers=headers).status_code == 400


def test_a_log_needs_a_running_job(bk: Contract) -> None:
    """buildkite/agent agent/fake_api_server_test.go."""
    session = bk.agent()
    session.acquire(bk.one_job())
    assert session.chunk(1, b"early").status_code == 422


def test_header_times_are_stored_with_the_log(session: Session) -> None:
    """buildkite/agent v3.137.0 api/header_times.go."""
    body = {"header_times": {"0": "2026-11-21T09:00:00Z"}}
    assert session.job("POST", "/header_times", body).ok


@pytest.mark.parametrize(
    ("status", "outcome"), [("0", "passed"), ("7", "failed"), ("-1", "failed"), ("255", "failed")]
)
def test_the_exit_status_decides_the_outcome(
    bk: Contract, session: Session, status: str, outcome: str
) -> None:
    """buildkite/agent api/jobs.go: exit_status is a number in a string."""
    assert session.finish(status).status_code == 200
    job = bk.buildkite.job(session.job_id)
    assert (job.outcome, job.exit_status) == (outcome, int(status))
    assert bk.state(session.job_id) == "finished"


def test_signal_and_signal_reason_of_a_finish_are_stored(bk: Contract, session: Session) -> None:
    """Seen: the bodies of cancelled and stopped jobs."""
    session.finish("-1", signal="SIGTERM", signal_reason="agent_stop")
    job = bk.buildkite.job(session.job_id)
    assert (job.signal, job.signal_reason, job.outcome) == ("SIGTERM", "agent_stop", "failed")


def test_an_exit_status_that_is_not_a_number_is_refused(session: Session) -> None:
    assert session.finish("x").status_code == 400


@pytest.mark.parametrize("state", ["waiting", "scheduled", "reserved"])
def test_a_job_without_an_agent_is_canceled_at_once(bk: Contract, state: str) -> None:
    first, waiting = bk.jobs("steps: [{command: a}, wait, {command: b}]")
    job_id = waiting.id if state == "waiting" else first.id
    if state == "reserved":
        bk.reserve(job_id)
    assert bk.state(job_id) == state
    bk.buildkite.cancel_job(job_id)
    assert bk.state(job_id) == "canceled"
    assert bk.buildkite.job(job_id).outcome == "canceled"


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("status", ["0", "255", "-1"])
def test_a_job_with_an_agent_is_canceling_until_the_agent_finishes_it(
    bk: Contract, started: bool, status: str
) -> None:
    """Seen: any exit status, 0 included. Accepting a start while canceling is an assumption."""
    session = bk.agent()
    session.acquire(bk.one_job())
    if started:
        session.start()
    bk.buildkite.cancel_job(session.job_id)
    assert bk.state(session.job_id) == "canceling"
    assert session.job("GET").json()["state"] == "canceling"
    assert session.start().status_code == 200
    assert session.finish(status, signal_reason="cancel").status_code == 200
    assert bk.state(session.job_id) == "canceled"


def test_a_canceled_job_whose_agent_is_lost_is_canceled(bk: Contract, session: Session) -> None:
    bk.buildkite.cancel_job(session.job_id)
    bk.clock.advance(minutes=3)
    assert bk.state(session.job_id) == "canceled"


def test_an_ended_job_cannot_be_canceled(bk: Contract, session: Session) -> None:
    session.finish("0")
    with pytest.raises(RefusedError) as refused:
        bk.buildkite.cancel_job(session.job_id)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("3.83.1", "canceling"),
        ("3.95.1", "canceling"),
        ("3.126.9", "canceling"),
        ("3.127.0", "timing_out"),
        ("4.0.0-beta.15", "timing_out"),
        ("3.0.0-standin", "canceling"),
        ("", "canceling"),
    ],
)
def test_a_timeout_is_canceling_to_agents_that_do_not_know_timing_out(
    bk: Contract, version: str, state: str
) -> None:
    """Seen: 3.83.1 ignores timing_out and runs on; buildkite/agent v3.127.0 agent/job_runner.go."""
    steps = "steps: [{command: x, timeout_in_minutes: 1}]"
    session = bk.running(bk.one_job(steps), version=version)
    bk.clock.advance(seconds=59)
    assert session.job("GET").json()["state"] == "running"
    bk.clock.advance(seconds=1)
    assert session.job("GET").json()["state"] == state
    assert bk.state(session.job_id) == "timing_out"


@pytest.mark.parametrize(
    ("status", "state", "outcome"),
    [("255", "timed_out", "timed_out"), ("0", "finished", "passed")],
)
def test_a_job_that_times_out_with_exit_status_zero_passes(
    bk: Contract, session: Session, status: str, state: str, outcome: str
) -> None:
    """buildkite/docs pages/pipelines/configure/build_timeouts.md."""
    bk.clock.advance(minutes=2)
    session.call("POST", "/v3/heartbeat", {})
    bk.clock.advance(minutes=2)
    session.call("POST", "/v3/heartbeat", {})
    bk.clock.advance(minutes=1)
    session.finish(status, signal_reason="cancel")
    assert bk.state(session.job_id) == state
    assert bk.buildkite.job(session.job_id).outcome == outcome


def test_a_job_that_never_runs_expires_after_thirty_days_at_five_past(bk: Contract) -> None:
    """buildkite/docs pages/pipelines/configure/build_timeouts.md."""
    job_id = bk.one_job()
    bk.clock.advance(days=30)
    bk.register_stack()
    assert bk.state(job_id) == "scheduled"
    bk.clock.advance(minutes=5)
    assert bk.state(job_id) == "expired"


def test_meta_data_belongs_to_the_build(bk: Contract) -> None:
    """buildkite/agent api/meta_data.go."""
    first, second = bk.jobs("steps: [{command: a}, {command: b}]")
    one, two = bk.running(first.id), bk.running(second.id)
    key = {"key": "buildkite:git:commit"}
    assert one.job("POST", "/data/exists", key).json() == {"exists": False}
    assert one.job("POST", "/data/get", key).status_code == 404
    assert one.job("POST", "/data/set", {**key, "value": "commit abc\n"}).ok
    assert two.job("POST", "/data/exists", key).json() == {"exists": True}
    assert two.job("POST", "/data/get", key).json() == {**key, "value": "commit abc\n"}
    of_build = f"/v3/builds/{first.build_id}/data/keys"
    assert bk.call("POST", of_build, token=two.job_token).json() == ["buildkite:git:commit"]
    other = bk.running(bk.one_job())
    assert other.job("POST", "/data/exists", key).json() == {"exists": False}


def test_a_timeline_has_the_first_time_of_each_point(bk: Contract) -> None:
    job_id = bk.one_job()
    begin = bk.clock.now
    for seconds in (1, 1):
        bk.clock.advance(seconds=seconds)
        bk.reserve(job_id)
    bk.clock.advance(seconds=1)
    session = bk.agent()
    session.acquire(job_id)
    bk.clock.advance(seconds=1)
    session.start()
    for sequence in (1, 2):
        bk.clock.advance(seconds=1)
        session.chunk(sequence, b"x")
    bk.clock.advance(seconds=1)
    session.finish("0")
    line = bk.buildkite.job(job_id).timeline
    points = [
        line.runnable,
        line.reserved,
        line.accepted,
        line.started,
        line.first_output,
        line.finished,
    ]
    assert [(point - begin).total_seconds() for point in points if point] == [0, 1, 3, 4, 5, 7]
    view = bk.buildkite.job(job_id)
    assert (view.agent_name, view.agent_version) == ("agent-1", "3.83.1")
