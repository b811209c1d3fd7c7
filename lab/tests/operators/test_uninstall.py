"""`uninstall` of a deployment with running machines, until nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.lab import STACK, LabChoices
from operators.account_lab import account_environment
from operators.remains import remains
from stories.stage import BOOT, QUICK, Stage, a_stage
from tests.cli.real_account import Run, run

REGION = "us-east-1"
KEPT = [
    "s3.buckets[mayfly-lab-artifacts]",
    "s3.buckets[mayfly-scripts]",
    "ssm._parameters[/buildkite/mayfly/agent-token]",
]
"""Resources outside of the stack; the buckets belong to the lab."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=("default", "deploy"),
        delays=replace(QUICK, minute=10.0),
        boot_seconds=BOOT,
        parameters={"default": {"pool/hot": "1"}},
    )
    with a_stage(choices) as made:
        yield made


def uninstall(stage: Stage, *arguments: str, typed: str | None = None) -> Run:
    aws = stage.lab.aws
    environment = account_environment(aws.endpoint, aws.administrator, REGION, stage.lab.home)
    endpoint = f"--agent-endpoint={stage.lab.buildkite.agent_endpoint}"
    return run("uninstall", endpoint, *arguments, environment=environment, typed=typed)


def left(word: str = STACK) -> list[str]:
    return remains(ACCOUNT, (REGION, "aws"), word)


def states(stage: Stage) -> set[str]:
    found: Any = stage.lab.aws.client("ec2").describe_instances()
    return {i["State"]["Name"] for r in found["Reservations"] for i in r["Instances"]}


@pytest.mark.slow
def test_uninstall_deletes_a_queue_after_its_job_and_then_the_stack_without_remains(
    stage: Stage,
) -> None:
    stage.ready("default")
    job = stage.push("deploy", "echo started; sleep 8; echo done")
    stage.running(job)
    ended = uninstall(stage, "--queue=deploy", "--yes")
    assert (ended.status, ended.err) == (0, "")
    assert "waiting for 1 running job (--now does not wait)" in ended.out
    assert stage.job(job).outcome == "passed"
    assert not [path for path in left() if "deploy" in path]
    assert "running" in states(stage)  # the other queue's pool goes on

    interrupted = stage.lab.aws.client("cloudformation")
    interrupted.delete_stack(StackName=f"{STACK}-queue-default")  # as an interrupted run does
    ended = uninstall(stage, "--yes")
    assert (ended.status, ended.err) == (0, "")
    assert "deregistered at Buildkite: mayfly-123456789012-us-east-1-mayfly" in ended.out
    assert "kept: the token parameter /buildkite/mayfly/agent-token" in ended.out
    assert left() == KEPT
    assert "not touched" not in ended.out
    assert states(stage) <= {"terminated"}
    assert stage.lab.buildkite.stacks() == ()

    again = uninstall(stage, "--yes")
    assert again.status == 0
    assert f"nothing of stack {STACK} is in" in again.out
    assert "not registered at Buildkite any more" in again.out


@pytest.mark.slow
def test_uninstall_does_not_wait_with_now_and_asks_without_yes(stage: Stage) -> None:
    job = stage.push("deploy", "echo started; sleep 600")
    stage.running(job)
    before = left()
    asked = uninstall(stage, "--now")
    assert (asked.status, left()) == (2, before)
    assert "give --yes" in asked.err
    assert (
        f"CloudFormation stacks: {STACK}-queue-default, {STACK}-queue-deploy, {STACK}" in asked.out
    )
    ended = uninstall(stage, "--now", "--yes")
    assert (ended.status, ended.err) == (0, "")
    assert left() == KEPT


def test_uninstall_does_not_touch_a_stack_of_another_name(stage: Stage) -> None:
    stage.ready("default")
    before = left()
    ended = uninstall(stage, "--stack=may", "--yes")
    assert "nothing of stack may is in" in ended.out
    assert set(before) <= set(left())  # the existing stack's pool goes on
    assert stage.lab.buildkite.stacks() != ()


def test_uninstall_names_a_missing_permission(stage: Stage) -> None:
    stage.lab.aws.faults.set("error", "iam:ListRoles", value="AccessDenied")
    ended = uninstall(stage, "--yes")
    assert ended.status == 1
    assert left()
    assert "cannot list all resources: the caller may not iam:ListRoles" in ended.err
    assert "deleting" not in ended.out
