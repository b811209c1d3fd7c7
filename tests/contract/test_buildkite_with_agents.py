"""Agents against the emulator: the same table for a real buildkite-agent and for the stand-in.

The expectations are what buildkite-agent 3.83.1 was seen to do. The real agent's part is skipped
where none is on PATH.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mayfly_lab.buildkite import JobView
from tests.contract.buildkite_agents import Room, programs, room


@pytest.fixture(scope="module")
def available(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return programs(tmp_path_factory.mktemp("agents"))


@pytest.fixture(params=["real", "stand-in"])
def lab(
    request: pytest.FixtureRequest, available: dict[str, Path], tmp_path: Path
) -> Iterator[Room]:
    program = available.get(request.param)
    if program is None:
        pytest.skip("no buildkite-agent on PATH")
    with room(program, tmp_path) as made:
        yield made


def run(lab: Room, command: str, attributes: str = "", **variables: str) -> tuple[int, JobView]:
    job = lab.job(command, attributes)
    status = lab.start(job.id, **variables).exit_status()
    return status, lab.buildkite.job(job.id)


@pytest.mark.parametrize("code", [0, 3, 7, 125, 255])
def test_the_commands_exit_status_is_the_jobs_and_not_the_agents(lab: Room, code: int) -> None:
    status, job = run(lab, f"cat greeting.txt; exit {code}")
    assert status == 0
    assert (job.exit_status, job.signal_reason) == (code, None)
    assert job.outcome == ("passed" if code == 0 else "failed")
    assert b"hello from the repository" in lab.buildkite.log(job.id)
    assert job.agent_name == "agent-1"
    assert lab.buildkite.command_output_at(job.id) is not None


def test_the_agent_tells_what_it_is(lab: Room) -> None:
    _, job = run(lab, "true")
    assert job.agent_version is not None
    assert ("standin" in job.agent_version) is ("stand-in" in str(lab.program))


def test_the_job_sees_its_environment_and_not_the_agents_token(lab: Room) -> None:
    _, job = run(lab, "env; printenv BUILDKITE_AGENT_NAME BUILDKITE_LABEL", "label: The label")
    log = lab.buildkite.log(job.id)
    assert b"BUILDKITE_AGENT_NAME=agent-1" in log
    assert b"BUILDKITE_LABEL=The label" in log
    assert lab.buildkite.agent_token.encode() not in log


def test_the_first_job_of_a_build_sends_the_commit(lab: Room) -> None:
    command = 'buildkite-agent meta-data get "buildkite:git:commit"'
    _, job = run(lab, command)
    assert job.outcome == "passed"
    assert b"commit " in lab.buildkite.log(job.id).split(b"meta-data get")[-1]


def test_meta_data_is_kept_for_the_build(lab: Room) -> None:
    command = (
        "buildkite-agent meta-data exists k || echo missing=$?\n"
        "buildkite-agent meta-data set k v1\n"
        "buildkite-agent meta-data exists k && echo there\n"
        'echo "value=$(buildkite-agent meta-data get k)"'
    )
    status, job = run(lab, command)
    log = lab.buildkite.log(job.id)
    assert (status, job.outcome) == (0, "passed")
    assert b"missing=100" in log
    assert b"value=v1" in log


def test_output_of_a_long_job_arrives_while_it_runs(lab: Room) -> None:
    job = lab.job("echo early-$((20 + 22)); sleep 60")
    agent = lab.start(job.id)
    lab.wait_for_output(job.id, b"early-42")
    assert str(lab.buildkite.job(job.id).state) == "running"
    lab.buildkite.cancel_job(job.id)
    assert agent.exit_status() == 0


def test_a_large_log_arrives_whole_and_in_order(lab: Room) -> None:
    _, job = run(lab, "seq -f 'line-%06g' 1 60000")
    log = lab.buildkite.log(job.id)
    found = [line[5:11] for line in log.split(b"\x07") if line.startswith(b"line-0")]
    assert found == [b"%06d" % number for number in range(1, 60001)]


@pytest.mark.parametrize(
    "command",
    ["sleep 60", "trap 'exit 7' TERM; echo go; while :; do sleep 0.1; done"],
    ids=["sleep", "trap"],
)
def test_a_canceled_job_ends_soon_and_says_why(lab: Room, command: str) -> None:
    """Seen: the exit status is a race; only the reason can be relied on."""
    job = lab.job(f"echo started; {command}")
    agent = lab.start(job.id)
    lab.wait_for_output(job.id, b"\x07started")
    lab.buildkite.cancel_job(job.id)
    assert str(lab.buildkite.job(job.id).state) == "canceling"
    assert agent.exit_status() == 0
    ended = lab.buildkite.job(job.id)
    assert (ended.outcome, ended.signal_reason) == ("canceled", "cancel")


def test_a_job_that_ignores_the_cancel_is_killed(lab: Room) -> None:
    job = lab.job("trap '' TERM; echo started; while :; do sleep 0.1; done")
    agent = lab.start(job.id, BUILDKITE_CANCEL_GRACE_PERIOD="2")
    lab.wait_for_output(job.id, b"\x07started")
    lab.buildkite.cancel_job(job.id)
    assert agent.exit_status() == 0
    ended = lab.buildkite.job(job.id)
    assert (ended.outcome, ended.signal_reason) == ("canceled", "cancel")


def test_a_job_that_takes_too_long_is_timed_out(lab: Room) -> None:
    job = lab.job("echo started; sleep 60", "timeout_in_minutes: 1")
    agent = lab.start(job.id)
    lab.wait_for_output(job.id, b"\x07started")
    lab.clock.ahead += timedelta(minutes=1)
    assert agent.exit_status() == 0
    ended = lab.buildkite.job(job.id)
    assert (ended.outcome, ended.signal_reason) == ("timed_out", "cancel")


def test_a_quit_signal_stops_the_job_at_once_and_a_rule_retries_it(lab: Room) -> None:
    rules = "retry: {automatic: [{exit_status: -1}, {signal_reason: agent_stop}]}"
    job = lab.job("echo started; sleep 60", rules)
    agent = lab.start(job.id)
    lab.wait_for_output(job.id, b"\x07started")
    agent.signal(signal.SIGQUIT)
    assert agent.exit_status() == 0
    ended = lab.buildkite.job(job.id)
    assert (ended.outcome, ended.signal_reason) == ("failed", "agent_stop")
    assert ended.retried_in is not None


def test_one_terminate_signal_lets_the_job_end_and_two_do_not(lab: Room) -> None:
    job = lab.job("echo started; sleep 1; echo ended")
    agent = lab.start(job.id)
    lab.wait_for_output(job.id, b"\x07started")
    agent.signal(signal.SIGTERM)
    assert agent.exit_status() == 0
    assert lab.buildkite.job(job.id).outcome == "passed"
    job = lab.job("echo started; sleep 60")
    agent = lab.start(job.id)
    lab.wait_for_output(job.id, b"\x07started")
    agent.signal(signal.SIGTERM)
    # Two of the same signal at once would count as one.
    time.sleep(0.1)
    agent.signal(signal.SIGTERM)
    assert agent.exit_status() == 0
    assert lab.buildkite.job(job.id).signal_reason == "agent_stop"


def test_a_job_that_is_taken_is_rejected_with_27(lab: Room) -> None:
    job = lab.job("sleep 60")
    first = lab.start(job.id)
    lab.wait_for(lambda: str(lab.buildkite.job(job.id).state) == "running")
    assert lab.start(job.id).exit_status() == 27
    lab.buildkite.cancel_job(job.id)
    assert first.exit_status() == 0


def test_a_job_that_was_canceled_before_is_rejected_with_27(lab: Room) -> None:
    job = lab.job("true")
    lab.buildkite.cancel_job(job.id)
    assert lab.start(job.id).exit_status() == 27


def test_an_agent_of_another_queue_does_not_get_the_job(lab: Room) -> None:
    """Seen: ten tries, three seconds apart; so this only sees that it keeps trying."""
    job = lab.job("true")
    agent = lab.start(job.id, tags="queue=deploy")
    lab.wait_for(lambda: b"404" in agent.output.read_bytes())
    assert str(lab.buildkite.job(job.id).state) == "scheduled"
    assert agent.process.poll() is None


def test_a_wrong_token_ends_the_agent_at_once(lab: Room) -> None:
    job = lab.job("true")
    assert lab.start(job.id, BUILDKITE_AGENT_TOKEN="bkct_wrong").exit_status() == 1


def test_a_pre_bootstrap_hook_refuses_the_job(lab: Room) -> None:
    lab.hook(
        "pre-bootstrap",
        'grep -q \'"BUILDKITE_PIPELINE_SLUG": *"demo"\' "$BUILDKITE_ENV_JSON_FILE" && exit 1',
    )
    status, job = run(lab, "echo never-$((1 + 1))")
    assert status == 0
    assert (job.exit_status, job.signal_reason) == (-1, "agent_refused")
    log = lab.buildkite.log(job.id)
    assert b"pre-bootstrap hook rejected this job" in log
    assert b"never-2" not in log


def test_hooks_of_the_agent_run_around_the_command_and_pass_on_what_they_export(
    lab: Room,
) -> None:
    lab.hook("environment", "export FROM_HOOK=yes")
    for name in ("pre-checkout", "post-checkout", "pre-command", "post-command", "pre-exit"):
        lab.hook(name, f'echo "hook-{name}-$FROM_HOOK"')
    _, job = run(lab, 'echo "command-$FROM_HOOK"')
    log = lab.buildkite.log(job.id)
    order = ["hook-pre-checkout", "hook-post-checkout", "hook-pre-command", "command"]
    order += ["hook-post-command", "hook-pre-exit"]
    places = [log.index(f"\x07{name}-yes".encode()) for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["environment", "pre-command", "post-command", "pre-exit"])
def test_a_failing_hook_outranks_the_command(lab: Room, name: str) -> None:
    lab.hook(name, "exit 41")
    _, job = run(lab, "exit 4")
    assert job.exit_status == 41


def test_a_commit_that_does_not_exist_fails_the_checkout(lab: Room) -> None:
    lab.buildkite.add_pipeline(
        "demo", "steps: [{command: 'true'}]", lab.buildkite.repository_url("none")
    )
    job = lab.buildkite.create_build("demo").jobs[0]
    assert lab.start(job.id).exit_status() == 0
    assert lab.buildkite.job(job.id).exit_status == 128


@pytest.mark.parametrize(
    ("endpoint", "times"), [("agent.start", 1), ("agent.finish", 1), ("agent.chunks", 2)]
)
def test_an_agent_repeats_what_buildkite_could_not_take(
    lab: Room, endpoint: str, times: int
) -> None:
    lab.buildkite.faults.answer(endpoint, 503, times=times)
    status, job = run(lab, "echo out")
    assert (status, job.outcome) == (0, "passed")
    assert b"\x07out" in lab.buildkite.log(job.id)


@pytest.mark.parametrize("endpoint", ["agent.acquire", "agent.start", "agent.finish"])
def test_a_lost_answer_does_not_lose_the_job(lab: Room, endpoint: str) -> None:
    lab.buildkite.faults.lose_answer(endpoint)
    status, job = run(lab, "echo out")
    assert (status, job.outcome) == (0, "passed")


def test_a_refused_start_ends_the_agent_and_leaves_the_job_to_be_found_lost(lab: Room) -> None:
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


def test_an_acquisition_token_is_all_that_an_agent_needs(lab: Room) -> None:
    """buildkite/docs pages/agent/self_hosted/job_acquisition_tokens.md."""
    job = lab.job("echo out")
    token = lab.acquisition_token(job.id)
    assert lab.start(job.id, BUILDKITE_AGENT_TOKEN=token).exit_status() == 0
    assert lab.buildkite.job(job.id).outcome == "passed"
    assert token.encode() not in lab.buildkite.log(job.id)
    assert lab.start(job.id, BUILDKITE_AGENT_TOKEN=token).exit_status() == 1
