"""Jobs cancelled at each step of their way; a fault holds the job there until the cancel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from buildkite_emulator import JobState
from mayfly.records.states import ClaimState, InstanceState
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

QUEUE, HOT = "default", "hot"
OFTEN = 100_000


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(QUEUE, HOT),
        delays=replace(QUICK, minute=4.0),
        boot_seconds=BOOT,
        parameters={HOT: {"pool/hot": "1"}},
    )
    with a_stage(choices) as stage:
        script = stage.lab.put_script(QUEUE, "set-up.sh", "#!/bin/bash\n")
        stage.lab.put_parameter(QUEUE, "bootstrap/script", script)
        stage.until("the script is in force", lambda: stage.in_force(QUEUE).script)
        yield stage
        stage.lab.aws.faults.clear()
        stage.lab.buildkite.faults.clear()


# ------------------------------------------------------------------ before it is bound


def test_a_job_cancelled_before_its_reservation_launches_nothing(stage: Stage) -> None:
    before = len(stage.launched(QUEUE))
    stage.lab.buildkite.faults.answer("stacks.batch-reserve", 503)
    job = stage.push(QUEUE)
    said = f"batch-reserve of queue {QUEUE}: Buildkite answers 503"
    stage.until("dispatch has tried", lambda: stage.said("dispatch", said))
    assert stage.job(job).state is JobState.SCHEDULED
    stage.lab.buildkite.cancel_job(job)
    stage.lab.buildkite.faults.clear()
    following = stage.push(QUEUE)
    assert stage.ended(following).outcome == "passed"
    claim = stage.claim(job)
    assert claim is None or stage.finished(job).state is ClaimState.RELEASED
    assert [i.job for i in stage.instances(QUEUE)[before:]] == [following]


def test_a_job_cancelled_without_capacity_launches_nothing_later(stage: Stage) -> None:
    stage.lab.aws.faults.set("no-capacity", "*")
    before = len(stage.launched(QUEUE))
    refused = stage.counted("provision", "NoCapacity")
    job = stage.push(QUEUE)
    stage.until("EC2 refuses", lambda: stage.counted("provision", "NoCapacity") > refused)
    assert stage.job(job).state is JobState.RESERVED
    stage.lab.buildkite.cancel_job(job)
    assert stage.finished(job).state is ClaimState.RELEASED
    stage.lab.aws.faults.clear()
    stage.tick("provision")
    assert len(stage.launched(QUEUE)) == before


@dataclass(frozen=True, slots=True)
class Hold:
    """A fault that holds an instance in a state."""

    state: InstanceState
    fault: str
    target: str
    by: str = "*"


HOLDS = {
    "requested": Hold(InstanceState.REQUESTED, "throttle", "ec2:CreateFleet"),
    "launching": Hold(InstanceState.LAUNCHING, "error", "dynamodb:UpdateItem", by="i-*"),
    "booting": Hold(InstanceState.BOOTING, "error", "s3:GetObject", by="i-*"),
    "swapping": Hold(
        InstanceState.SWAPPING, "throttle", "ec2:ReplaceIamInstanceProfileAssociation"
    ),
    "proving": Hold(InstanceState.SWAPPING, "imds-flapping", "*"),
}


@pytest.mark.parametrize("hold", HOLDS.values(), ids=HOLDS)
def test_a_job_cancelled_before_its_instance_is_ready_leaves_it_to_the_next(
    stage: Stage, hold: Hold
) -> None:
    before = len(stage.instances(QUEUE))
    stage.lab.aws.faults.set(hold.fault, hold.target, count=OFTEN, by=hold.by)
    job = stage.push(QUEUE)
    stage.until(
        f"the job's instance is {hold.state}",
        lambda: [i.state for i in stage.instances(QUEUE)[before:]] == [hold.state],
    )
    stage.lab.buildkite.cancel_job(job)
    claim = stage.finished(job)
    assert (claim.state, claim.reason) == (ClaimState.RELEASED, "Buildkite says canceled")
    following = stage.push(QUEUE)
    stage.lab.aws.faults.clear()
    assert stage.ended(following).outcome == "passed"
    assert [i.job for i in stage.instances(QUEUE)[before:]] == [following]
    assert stage.assignments(job) == []


# ------------------------------------------------------------------ after it is bound


def test_a_job_cancelled_before_its_agent_acquires_it_never_runs(stage: Stage) -> None:
    stage.ready(HOT)
    stage.lab.buildkite.faults.answer("agent.acquire", 503)
    job = stage.push(HOT, "echo it ran")
    instance_id = stage.assigned(job)
    stage.lab.buildkite.cancel_job(job)
    assert stage.gone(instance_id).job == job
    stage.lab.buildkite.faults.clear()
    assert stage.job(job).outcome == "canceled"
    assert "it ran" not in stage.log_of(job)
    claim = stage.finished(job)
    assert (claim.state, claim.attempt) == (ClaimState.RELEASED, 1)
    assert "before an agent accepted it" in claim.reason


def test_a_job_cancelled_between_acceptance_and_start_ends_with_its_agent(stage: Stage) -> None:
    stage.ready(HOT)
    stage.lab.buildkite.faults.answer("agent.start", 503)
    job = stage.push(HOT, "echo it ran")
    stage.until("the job is accepted", lambda: stage.job(job).state is JobState.ACCEPTED)
    stage.until(
        "the record says so",
        lambda: (claim := stage.claim(job)) and claim.state is ClaimState.RUNNING,
    )
    instance_id = stage.served(job).instance_id or ""
    stage.lab.buildkite.cancel_job(job)
    stage.lab.buildkite.faults.clear()
    assert stage.ended(job).outcome == "canceled"
    assert "it ran" not in stage.log_of(job)
    assert stage.finished(job).state is ClaimState.FINISHED
    assert stage.gone(instance_id).job == job


def test_a_job_cancelled_while_its_command_runs_is_stopped(stage: Stage) -> None:
    stage.ready(HOT)
    job = stage.push(HOT, "echo started; sleep 300")
    instance_id = stage.running(job)
    stage.lab.buildkite.cancel_job(job)
    ended = stage.ended(job)
    assert (ended.outcome, ended.signal_reason) == ("canceled", "cancel")
    assert stage.gone(instance_id).job == job
    assert stage.finished(job).state is ClaimState.FINISHED


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
