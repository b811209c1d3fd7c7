"""A queue whose roles could do too much gets no instances, and the other queues go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from buildkite_emulator import JobState
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

OPEN, ADMIN = "open", "admin"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(queues=(OPEN, ADMIN), delays=replace(QUICK, minute=6.0), boot_seconds=BOOT)
    with a_stage(choices) as stage:
        yield stage


def test_a_sandbox_role_with_administrator_access_stops_its_queue_alone(stage: Stage) -> None:
    runs = stage.push(ADMIN, "echo started; sleep 8; echo done")
    stage.running(runs)
    iam = stage.lab.aws.client("iam")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": everything})
    policy = iam.create_policy(PolicyName="AdministratorAccess", PolicyDocument=document)
    role = json.loads(stage.queue(ADMIN).infra)["sandbox_role"].rpartition("/")[2]
    attached = {"RoleName": role, "PolicyArn": policy["Policy"]["Arn"]}
    iam.attach_role_policy(**attached)

    stage.until("the queue is refused", lambda: verdict(stage, ADMIN))
    waits = stage.push(ADMIN)
    other = stage.push(OPEN)
    assert stage.ended(other).outcome == "passed"
    assert stage.ended(runs).outcome == "passed"
    told = verdict(stage, ADMIN)
    said = f"queue {ADMIN}: no instance may have the queue's roles ("
    stage.until(
        "provision says why",
        lambda: any(each.startswith(said) for each in stage.problems("provision")),
    )
    assert "assume any role of the account (sts:AssumeRole, allowed by AdministratorAccess)" in told
    assert stage.job(waits).state is not JobState.RUNNING
    assert not [i for i in stage.instances(ADMIN) if i.job == waits]

    iam.detach_role_policy(**attached)
    assert stage.ended(waits).outcome == "passed"


def verdict(stage: Stage, queue: str) -> str:
    """Why the queue's roles are refused; empty where they are not."""
    roles = stage.queue(queue).roles
    return roles.refused if roles is not None else ""


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
