"""Refused agents and lost answers, with a real agent and with the stand-in.

The expectations are observations of buildkite-agent 3.83.1. Tests with the real agent are skipped
if none is on PATH.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from emulator.buildkite_agents import Room, room


@pytest.fixture(params=["real", "stand-in"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    with room(request.param, tmp_path) as made:
        yield made


def test_acquiring_a_taken_job_ends_the_agent_with_27(lab: Room) -> None:
    job = lab.job("sleep 60")
    first = lab.start(job.id)
    lab.wait_for(lambda: str(lab.buildkite.job(job.id).state) == "running")
    assert lab.start(job.id).exit_status() == 27
    lab.buildkite.cancel_job(job.id)
    assert first.exit_status() == 0


def test_acquiring_a_canceled_job_ends_the_agent_with_27(lab: Room) -> None:
    job = lab.job("true")
    lab.buildkite.cancel_job(job.id)
    assert lab.start(job.id).exit_status() == 27


def test_an_agent_of_another_queue_does_not_get_the_job(lab: Room) -> None:
    """Seen: ten tries, three seconds apart; this test checks only that the agent keeps trying."""
    job = lab.job("true")
    agent = lab.start(job.id, tags="queue=deploy")
    lab.wait_for(lambda: b"404" in agent.output.read_bytes())
    assert str(lab.buildkite.job(job.id).state) == "scheduled"
    assert agent.process.poll() is None


def test_a_wrong_token_ends_the_agent_at_once(lab: Room) -> None:
    job = lab.job("true")
    assert lab.start(job.id, BUILDKITE_AGENT_TOKEN="bkct_wrong").exit_status() == 1


@pytest.mark.parametrize(
    ("endpoint", "times"), [("agent.start", 1), ("agent.finish", 1), ("agent.chunks", 2)]
)
def test_an_agent_repeats_a_call_after_a_server_error(lab: Room, endpoint: str, times: int) -> None:
    lab.buildkite.faults.answer(endpoint, 503, times=times)
    status, job = lab.run("echo out")
    assert (status, job.outcome) == (0, "passed")
    assert b"\x07out" in lab.buildkite.log(job.id)


@pytest.mark.parametrize("endpoint", ["agent.acquire", "agent.start", "agent.finish"])
def test_a_lost_answer_does_not_lose_the_job(lab: Room, endpoint: str) -> None:
    lab.buildkite.faults.lose_answer(endpoint)
    status, job = lab.run("echo out")
    assert (status, job.outcome) == (0, "passed")


def test_a_refused_start_ends_the_agent_and_the_job_is_lost_later(lab: Room) -> None:
    lab.buildkite.faults.answer("agent.start", 422, times=1)
    job = lab.job("true")
    assert lab.start(job.id).exit_status() == 1
    assert str(lab.buildkite.job(job.id).state) == "accepted"
    lab.clock.ahead += timedelta(minutes=31)
    ended = lab.buildkite.job(job.id)
    assert (ended.outcome, ended.exit_status) == ("failed", -1)


def test_an_agent_whose_session_is_refused_stops_its_job(lab: Room) -> None:
    job = lab.job("echo started; sleep 60")
    agent = lab.start(job.id)
    lab.wait_for_output(job.id, b"\x07started")
    lab.buildkite.faults.answer("agent.heartbeat", 401)
    assert agent.exit_status() == 0
    assert lab.buildkite.job(job.id).signal_reason == "agent_stop"


def test_an_agent_needs_no_other_token_than_an_acquisition_token(lab: Room) -> None:
    """buildkite/docs pages/agent/self_hosted/job_acquisition_tokens.md."""
    job = lab.job("echo out")
    token = lab.acquisition_token(job.id)
    assert lab.start(job.id, BUILDKITE_AGENT_TOKEN=token).exit_status() == 0
    assert lab.buildkite.job(job.id).outcome == "passed"
    assert token.encode() not in lab.buildkite.log(job.id)
    assert lab.start(job.id, BUILDKITE_AGENT_TOKEN=token).exit_status() == 1
