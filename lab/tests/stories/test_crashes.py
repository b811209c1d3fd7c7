"""A function dies in the middle of a tick: the next tick finds the remains and goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from buildkite_emulator import JobEvent, JobState
from mayfly_lab.lab import STACK, LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

pytestmark = pytest.mark.slow

QUEUE = "default"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(queues=(QUEUE,), delays=replace(QUICK, minute=3.0), boot_seconds=BOOT)
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


def deaths(stage: Stage, function: str) -> int:
    """Number of invocations that ended with their worker: errors in Lambda's metric."""
    every = stage.lab.aws.journal.select(operation="Invocation", about=f"{STACK}-{function}")
    return sum("Runtime exited" in entry.resources["error"] for entry in every)


def assert_job_runs_after_deaths(stage: Stage, job: str, function: str, died: int) -> None:
    """Assert that the function died as expected and that the job ran without a visible effect."""
    ended = stage.ended(job)
    assert (ended.outcome, ended.retry_count) == ("passed", 0)
    claim = stage.finished(job)
    assert (claim.state, claim.attempt) == ("finished", 1)
    stage.gone(stage.served(job).instance_id or "")
    stage.until(f"{function} has died", lambda: deaths(stage, function) >= died)
    assert len(stage.assignments(job)) == 1


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        ("dispatch", ("dynamodb:PutItem", "dynamodb:Query", "dynamodb:TransactWriteItems")),
        ("dispatch", ("sqs:SendMessage",)),
        ("provision", ("dynamodb:TransactWriteItems", "ec2:CreateFleet")),
        ("sandbox", ("dynamodb:PutItem", "ec2:ReplaceIamInstanceProfileAssociation")),
        ("reap", ("ec2:DescribeInstances", "dynamodb:BatchWriteItem")),
    ],
    ids=["dispatch", "dispatch-nudging", "provision", "sandbox", "reap"],
)
def test_a_job_runs_in_spite_of_a_function_that_dies_at_each_of_several_calls(
    stage: Stage, function: str, calls: Sequence[str]
) -> None:
    died = deaths(stage, function)
    for call in calls:
        stage.lab.aws.faults.set("kill", f"{function}/{call}", count=1)
    before = len(stage.launched(QUEUE))
    job = stage.push(QUEUE)
    assert_job_runs_after_deaths(stage, job, function, died + len(calls))
    assert len(stage.launched(QUEUE)) == before + 1


def test_a_job_runs_after_dispatch_died_before_recording_its_reservation(stage: Stage) -> None:
    died = deaths(stage, "dispatch")
    doomed: list[str] = []

    def on_job(event: JobEvent) -> None:
        if event.job.state is JobState.RESERVED and event.job.id in doomed:
            doomed.clear()
            stage.lab.aws.functions.kill_all(f"{STACK}-dispatch")

    stage.lab.buildkite.subscribe(on_job)
    job = stage.push(QUEUE)
    doomed.append(job)
    assert_job_runs_after_deaths(stage, job, "dispatch", died + 1)


def test_a_job_runs_after_dispatch_died_right_after_binding_it(stage: Stage) -> None:
    died = deaths(stage, "dispatch")
    job = stage.push(QUEUE)
    stage.assigned(job)
    stage.lab.aws.functions.kill_all(f"{STACK}-dispatch")
    assert_job_runs_after_deaths(stage, job, "dispatch", died + 1)


def test_reap_ends_a_host_that_never_came_up_after_dying_three_times(stage: Stage) -> None:
    died = deaths(stage, "reap")
    stage.lab.aws.faults.set("machine-dead", "*", count=1)
    for call in ("dynamodb:TransactWriteItems", "logs:PutLogEvents", "ec2:TerminateInstances"):
        stage.lab.aws.faults.set("kill", f"reap/{call}", count=1)
    before = len(stage.launched(QUEUE))
    job = stage.push(QUEUE)
    mute = stage.until("an instance is launched", lambda: stage.launched(QUEUE)[before:])[0]
    stage.age(mute, 6)
    reason = "the instance was launching for longer than 5 minutes (launch/boot-minutes)"
    assert stage.gone(mute).reason == reason
    assert "Kernel panic" in stage.last_words(mute)
    assert_job_runs_after_deaths(stage, job, "reap", died + 3)


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
