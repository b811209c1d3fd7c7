"""Agents against the emulator: one table for a real buildkite-agent and for the stand-in.

The expectations are observations of buildkite-agent 3.83.1. Tests with the real agent are skipped
if none is on PATH.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from emulator.buildkite_agents import Room, room


@pytest.fixture(params=["real", "stand-in"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    with room(request.param, tmp_path) as made:
        yield made


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("code", [0, 3, 7, 125, 255])
def test_the_commands_exit_status_becomes_the_jobs_and_not_the_agents(lab: Room, code: int) -> None:
    status, job = lab.run(f"cat greeting.txt; exit {code}")
    assert status == 0
    assert (job.exit_status, job.signal_reason) == (code, None)
    assert job.outcome == ("passed" if code == 0 else "failed")
    assert b"hello from the repository" in lab.buildkite.log(job.id)
    assert job.agent_name == "agent-1"
    assert lab.buildkite.command_output_at(job.id) is not None


def test_the_agent_registers_with_its_version(lab: Room) -> None:
    _, job = lab.run("true")
    assert job.agent_version is not None
    assert ("standin" in job.agent_version) is ("stand-in" in str(lab.program))


def test_the_job_sees_its_environment_and_not_the_agents_token(lab: Room) -> None:
    _, job = lab.run("env; printenv BUILDKITE_AGENT_NAME BUILDKITE_LABEL", "label: The label")
    log = lab.buildkite.log(job.id)
    assert b"BUILDKITE_AGENT_NAME=agent-1" in log
    assert b"BUILDKITE_LABEL=The label" in log
    assert lab.buildkite.agent_token.encode() not in log


def test_the_first_job_of_a_build_sends_the_commit(lab: Room) -> None:
    command = 'buildkite-agent meta-data get "buildkite:git:commit"'
    _, job = lab.run(command)
    assert job.outcome == "passed"
    assert b"commit " in lab.buildkite.log(job.id).split(b"meta-data get")[-1]


def test_meta_data_set_by_a_job_is_stored_with_the_build(lab: Room) -> None:
    command = (
        "buildkite-agent meta-data exists k || echo missing=$?\n"
        "buildkite-agent meta-data set k v1\n"
        "buildkite-agent meta-data exists k && echo there\n"
        'echo "value=$(buildkite-agent meta-data get k)"'
    )
    status, job = lab.run(command)
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


def test_a_job_has_a_terminal_with_a_size(lab: Room) -> None:
    """Without a size, a pager such as that of `git log` waits for a key."""
    _, job = lab.run('echo "$TERM $(stty size)"')
    assert job.outcome == "passed"
    assert b"\x07xterm-256color 100 160" in lab.buildkite.log(job.id)


def test_a_large_log_arrives_whole_and_in_order(lab: Room) -> None:
    _, job = lab.run("seq -f 'line-%06g' 1 60000")
    log = lab.buildkite.log(job.id)
    found = [line[5:11] for line in log.split(b"\x07") if line.startswith(b"line-0")]
    assert found == [b"%06d" % number for number in range(1, 60001)]


@pytest.mark.parametrize(
    "command",
    ["sleep 60", "trap 'exit 7' TERM; echo go; while :; do sleep 0.1; done"],
    ids=["sleep", "trap"],
)
def test_a_canceled_job_ends_soon_with_the_cancel_reason(lab: Room, command: str) -> None:
    """Seen: the exit status is a race; only the reason is reliable."""
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


def test_a_process_left_in_the_background_ends_with_the_job(lab: Room) -> None:
    """Seen: its terminal hangs up on it, so it does not delay the end."""
    status, job = lab.run('sleep 600 & echo "left=$!"')
    assert (status, job.outcome) == (0, "passed")
    left = re.search(rb"\x07left=(\d+)", lab.buildkite.log(job.id))
    assert left
    pid = int(left[1])
    lab.wait_for(lambda: is_gone(pid))


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
    # Two equal signals at once would be delivered as one.
    time.sleep(0.1)
    agent.signal(signal.SIGTERM)
    assert agent.exit_status() == 0
    assert lab.buildkite.job(job.id).signal_reason == "agent_stop"


def test_a_pre_bootstrap_hook_refuses_the_job(lab: Room) -> None:
    lab.hook(
        "pre-bootstrap",
        'grep -q \'"BUILDKITE_PIPELINE_SLUG": *"demo"\' "$BUILDKITE_ENV_JSON_FILE" && exit 1',
    )
    status, job = lab.run("echo never-$((1 + 1))")
    assert status == 0
    assert (job.exit_status, job.signal_reason) == (-1, "agent_refused")
    log = lab.buildkite.log(job.id)
    assert b"pre-bootstrap hook rejected this job" in log
    assert b"never-2" not in log


def test_hooks_of_the_agent_run_around_the_command_and_pass_on_their_exports(
    lab: Room,
) -> None:
    lab.hook("environment", "export FROM_HOOK=yes")
    for name in ("pre-checkout", "post-checkout", "pre-command", "post-command", "pre-exit"):
        lab.hook(name, f'echo "hook-{name}-$FROM_HOOK"')
    _, job = lab.run('echo "command-$FROM_HOOK"')
    log = lab.buildkite.log(job.id)
    order = ["hook-pre-checkout", "hook-post-checkout", "hook-pre-command", "command"]
    order += ["hook-post-command", "hook-pre-exit"]
    places = [log.index(f"\x07{name}-yes".encode()) for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["environment", "pre-command", "post-command", "pre-exit"])
def test_a_failing_hook_outranks_the_command(lab: Room, name: str) -> None:
    lab.hook(name, "exit 41")
    _, job = lab.run("exit 4")
    assert job.exit_status == 41


def test_a_commit_that_does_not_exist_fails_the_checkout(lab: Room) -> None:
    lab.buildkite.add_pipeline(
        "demo", "steps: [{command: 'true'}]", lab.buildkite.repository_url("none")
    )
    job = lab.buildkite.create_build("demo").jobs[0]
    assert lab.start(job.id).exit_status() == 0
    assert lab.buildkite.job(job.id).exit_status == 128
