"""The way of a job: on a hot machine, on a cold one, to its end, and its interruptions.

With the real agent if one is on PATH; the ids of the tests name the agent.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.lab import LabChoices
from mayfly_lab.report.timeline import job_lines
from stories.stage import BOOT, QUICK, Stage, a_stage

_AGENT = shutil.which("buildkite-agent")
HOT, COLD = "hot", "cold"


@pytest.fixture(scope="module", params=["buildkite-agent" if _AGENT else "stand-in"])
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(COLD, HOT),
        agent=Path(_AGENT) if _AGENT else None,
        delays=QUICK,
        boot_seconds=BOOT,
        parameters={HOT: {"pool/hot": "1", "launch/purchase": "spot-then-on-demand"}},
    )
    with a_stage(choices) as stage:
        yield stage


def test_a_job_runs_at_once_on_a_hot_machine(stage: Stage) -> None:
    waiting = stage.ready(HOT)
    job = stage.push(HOT, "echo hello from $(id -un)")
    assert stage.ended(job).outcome == "passed"
    instance = stage.served(job)
    assert instance.instance_id in waiting
    assert stage.path(job) == "hot"
    assert "hello from " in stage.log_of(job)
    assert stage.gone(waiting[0]).job == job


def test_a_pool_replaces_a_machine_that_a_job_took(stage: Stage) -> None:
    (waiting,) = stage.ready(HOT)
    job = stage.push(HOT)
    stage.ended(job)
    assert stage.ready(HOT) != [waiting]


def test_a_pool_grows_within_seconds_of_a_changed_parameter(stage: Stage) -> None:
    stage.ready(HOT)
    before = len(stage.instances(HOT))
    stage.lab.put_parameter(HOT, "pool/hot", "2")
    # The event must cause the growth: schedules fire only every 60 s here.
    stage.until("an instance is launched", lambda: len(stage.instances(HOT)) > before, seconds=15)
    stage.lab.put_parameter(HOT, "pool/hot", "1")


def test_a_job_without_a_hot_machine_gets_a_cold_one(stage: Stage) -> None:
    job = stage.push(COLD, "echo hello")
    assert stage.ended(job).outcome == "passed"
    assert stage.path(job) == "cold"
    (instance,) = stage.instances(COLD)
    assert stage.gone(instance.instance_id or "").job == job


def test_a_job_that_exits_with_7_fails_with_7(stage: Stage) -> None:
    job = stage.push(HOT, "echo the mirror answered 503; exit 7")
    ended = stage.ended(job)
    assert (ended.outcome, ended.exit_status) == ("failed", 7)
    claim = stage.finished(job)
    assert (claim.state, claim.attempt) == ("finished", 1)


def test_a_job_cancelled_while_it_waits_leaves_its_instance_to_the_next(stage: Stage) -> None:
    before = len(stage.instances(COLD))
    job = stage.push(COLD)
    stage.until("the job's instance is launched", lambda: len(stage.instances(COLD)) > before)
    stage.lab.buildkite.cancel_job(job)
    following = stage.push(COLD)
    assert stage.ended(following).outcome == "passed"
    assert stage.job(job).outcome == "canceled"
    claim = stage.finished(job)
    assert (claim.state, claim.reason) == ("released", "Buildkite says canceled")
    assert [i.job for i in stage.instances(COLD)[before:]] == [following]
    assert stage.assignments(job) == []


def test_a_job_cancelled_after_its_assignment_never_runs(stage: Stage) -> None:
    stage.ready(HOT)
    # Without this fault the agent may acquire the job first.
    stage.lab.buildkite.faults.answer("agent.acquire", 503)
    job = stage.push(HOT, "echo it ran")
    instance_id = stage.assigned(job)
    stage.lab.buildkite.cancel_job(job)
    stage.lab.buildkite.faults.clear()
    instance = stage.gone(instance_id)
    assert stage.job(job).outcome == "canceled"
    assert "it ran" not in stage.log_of(job)
    claim = stage.finished(job)
    assert (claim.state, claim.attempt) == ("released", 1)
    assert "before an agent accepted it" in claim.reason
    assert instance.job == job


def test_a_job_cancelled_while_it_runs_is_stopped(stage: Stage) -> None:
    job = stage.push(HOT, "echo started; sleep 300")
    instance_id = stage.running(job)
    stage.lab.buildkite.cancel_job(job)
    ended = stage.ended(job)
    assert (ended.outcome, ended.signal_reason) == ("canceled", "cancel")
    assert stage.gone(instance_id).job == job
    assert stage.finished(job).state == "finished"


def test_a_job_gets_another_machine_if_the_first_dies_before_its_agent(stage: Stage) -> None:
    stage.ready(HOT)
    # Without this fault the agent may acquire the job first.
    stage.lab.buildkite.faults.answer("agent.acquire", 503)
    job = stage.push(HOT, "echo it ran")
    dead = stage.assigned(job)
    stage.lab.crash(dead)
    stage.lab.buildkite.faults.clear()
    ended = stage.ended(job)
    assert (ended.outcome, ended.retry_count) == ("passed", 0)
    claim = stage.finished(job)
    assert claim.attempt == 2
    assert any(f"attempt 1 failed: instance {dead}" in step.reason for step in claim.history)
    assert stage.log_of(job).count("it ran") == 2  # the command itself, and its output
    assert "history:" in stage.last_words(dead)


def test_a_job_on_an_interrupted_spot_instance_fails_in_time_and_is_retried(
    stage: Stage,
) -> None:
    (waiting,) = stage.ready(HOT)
    job = stage.push(
        HOT,
        '[ "$BUILDKITE_RETRY_COUNT" != 0 ] || { echo started; sleep 300; }',
        # A race: the agent reports the shell's exit status or the signal.
        retry={"automatic": [{"signal_reason": "agent_stop"}, {"exit_status": -1}]},
    )
    assert stage.running(job) == waiting
    stage.lab.aws.ec2.interrupt(waiting, 35)
    ended = stage.ended(job)
    assert (ended.outcome, ended.signal_reason) == ("failed", "agent_stop")
    instance = stage.gone(waiting)
    assert "spot" in instance.ended_job
    moments = stage.lab.aws.moments.of(waiting)
    (taken,) = [m.value for m in moments if m.aspect is Aspect.SPOT]
    (end,) = [m.at for m in moments if m.value == "terminated"]
    assert end < datetime.fromisoformat(taken).timestamp()
    assert ended.retried_in is not None
    assert stage.ended(ended.retried_in).outcome == "passed"
    assert stage.finished(job).attempt == 1


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
    assert {line.agent for line in job_lines(stage.evidence())} >= {stage.lab.agent_name}
