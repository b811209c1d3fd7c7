"""Buildkite refuses, fails, or does not know a queue: the visible effects, and the recovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from buildkite_emulator import JobState
from mayfly_lab.aws.deploy.stacks import TOKEN_PARAMETER
from mayfly_lab.lab import STACK, LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

QUEUE, OTHER = "default", "other"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(QUEUE, OTHER),
        delays=replace(QUICK, minute=3.0),
        boot_seconds=BOOT,
        parameters={QUEUE: {"pool/hot": "1"}},
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.buildkite.faults.clear()


def errors(stage: Stage, function: str = "dispatch") -> list[str]:
    """Errors of the function's invocations: Lambda counts each one, with an alarm."""
    every = stage.lab.aws.journal.select(operation="Invocation")
    mine = (e.resources for e in every if e.resources["FunctionName"].endswith(f"-{function}"))
    return [each["error"] for each in mine if each["error"]]


def test_a_missing_token_is_an_error_of_the_function_and_costs_no_job(stage: Stage) -> None:
    ssm = stage.lab.aws.client("ssm")
    ssm.delete_parameter(Name=TOKEN_PARAMETER)
    # Workers keep the token in memory, so the next ones must be new.
    stage.lab.aws.functions.kill_all(f"{STACK}-dispatch")
    missing = f"the parameter {TOKEN_PARAMETER} does not exist"
    stage.until("dispatch ends with the error", lambda: any(missing in e for e in errors(stage)))
    stage.until("the log has the error", lambda: missing in stage.log_text("dispatch"))
    job = stage.push(QUEUE)
    before = len(errors(stage))
    stage.until("dispatch ends with another error", lambda: len(errors(stage)) > before)
    assert stage.job(job).state is JobState.SCHEDULED
    ssm.put_parameter(
        Name=TOKEN_PARAMETER, Value=stage.lab.buildkite.agent_token, Type="SecureString"
    )
    assert stage.ended(job).outcome == "passed"


def test_a_refused_token_is_an_error_of_the_function_and_costs_no_job(stage: Stage) -> None:
    refused = stage.lab.buildkite.faults.refused_tokens
    refused.add(stage.lab.buildkite.agent_token)
    job = stage.push(QUEUE)
    words = "Buildkite refuses the agent token"
    stage.until("dispatch ends with the error", lambda: any(words in e for e in errors(stage)))
    assert stage.job(job).state is JobState.SCHEDULED
    refused.clear()
    assert stage.ended(job).outcome == "passed"


def test_an_unknown_queue_at_buildkite_is_a_problem_of_that_queue_only(stage: Stage) -> None:
    unknown = stage.lab.buildkite.faults.unknown_queues
    unknown.add(OTHER)
    problem = f"Buildkite does not know queue {OTHER} in this token's cluster"
    stage.until("dispatch reports the problem", lambda: problem in stage.problems("dispatch"))
    stage.until(
        "BadConfiguration is counted", lambda: stage.counted("dispatch", "BadConfiguration")
    )
    job = stage.push(QUEUE)
    assert stage.ended(job).outcome == "passed"
    unknown.clear()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_call_that_buildkite_fails_is_repeated_later(stage: Stage, status: int) -> None:
    faults = stage.lab.buildkite.faults
    headers = {"RateLimit-Reset": "1"} if status == 429 else {}
    for endpoint in ("list-scheduled-jobs", "batch-reserve", "job-acquisition-tokens"):
        faults.answer(f"stacks.{endpoint}", status, headers=headers, times=2)
    faults.answer("stacks.get-states", status, headers=headers, times=2)
    job = stage.push(QUEUE)
    assert stage.ended(job).outcome == "passed"
    stage.until(
        "the log has the status", lambda: stage.said("dispatch", f"Buildkite answers {status}")
    )
    stage.until("LeftTransient is counted", lambda: stage.counted("dispatch", "LeftTransient"))
    assert len(stage.assignments(job)) == 1
    claim = stage.finished(job)
    assert (claim.state, claim.attempt) == ("finished", 1)


def test_a_policy_denial_is_reported_again_after_a_failed_call(stage: Stage) -> None:
    stage.lab.put_parameter(OTHER, "policy/rules/none", "branch=never")
    stage.until("the rule is in force", lambda: stage.in_force(OTHER).rules)
    stage.lab.buildkite.faults.answer("stacks.finish-job", 502, times=2)
    job = stage.push(OTHER)
    ended = stage.ended(job)
    assert ended.outcome == "failed"
    assert "Queue other does not take this job" in (ended.detail or "")
    assert stage.finished(job).told


def test_an_outage_loses_nothing(stage: Stage) -> None:
    faults = stage.lab.buildkite.faults
    running = stage.push(QUEUE, "echo started; sleep 3; echo done")
    stage.running(running)
    faults.outage = True
    waiting = stage.push(QUEUE)
    stage.until("dispatch notices", lambda: stage.said("dispatch", "no answer from Buildkite"))
    faults.outage = False
    assert [stage.ended(job).outcome for job in (running, waiting)] == ["passed", "passed"]


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
