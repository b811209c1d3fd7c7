"""Boots that Mayfly did not command: what ends the instance, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mayfly.adapters.dynamodb.attributes import encode
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_lab.commands.fault_options import fault
from mayfly_lab.lab import STACK, LabChoices
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report, to_row
from stories.stage import BOOT, QUICK, Stage, a_stage

S = InstanceState
HOT, STARTED, BUSY, REPLAYED = "hot", "started", "busy", "replayed"
STOPPED_POOL = {"pool/stopped": "1", "pool/grace-minutes": "0"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    parameters = {
        HOT: {"pool/hot": "1"},
        STARTED: STOPPED_POOL,
        BUSY: {},
        REPLAYED: STOPPED_POOL,
    }
    choices = LabChoices(
        queues=tuple(parameters),
        delays=replace(QUICK, minute=8.0),
        boot_seconds=BOOT,
        parameters=parameters,
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


def in_state(stage: Stage, queue: str, state: InstanceState) -> Instance:
    """Wait for an instance of the queue in this state. Returns its record."""
    return stage.until(
        f"{queue} has an instance that is {state}",
        lambda: [i for i in stage.instances(queue) if i.state is state],
    )[0]


def reboot(stage: Stage, instance_id: str) -> None:
    """Reboot an instance, as a person does, or a job with the rights of root."""
    stage.lab.aws.client("ec2").reboot_instances(InstanceIds=[instance_id])


def reads(stage: Stage, instance: Instance, since: int) -> int:
    """How often `sandbox` has read the instance's row after this number of calls."""
    return sum(
        entry.service == "dynamodb"
        and entry.operation in {"GetItem", "BatchGetItem"}
        and "sandbox" in entry.principal
        and str(instance.sandbox_row) in str(entry.resources)
        for entry in stage.lab.aws.journal.since(since)
    )


def test_a_hot_instance_that_reboots_before_its_job_is_ended_and_replaced(stage: Stage) -> None:
    hot = in_state(stage, HOT, S.READY)
    reboot(stage, str(hot.instance_id))
    gone = stage.gone(str(hot.instance_id))
    assert gone.job is None
    assert "this boot is not the instance's first, and there is no order to start" in gone.reason
    assert in_state(stage, HOT, S.READY).instance_id != hot.instance_id
    assert "there is no order to start" in str(stage.last_words(str(hot.instance_id)))


def test_a_started_instance_that_reboots_finds_its_order_used_and_is_ended(stage: Stage) -> None:
    warm = in_state(stage, STARTED, S.STOPPED)
    stage.lab.put_parameter(STARTED, "pool/hot", "1")
    ready = in_state(stage, STARTED, S.READY)
    assert (ready.instance_id, ready.starts) == (warm.instance_id, 1)
    reboot(stage, str(ready.instance_id))
    gone = stage.gone(str(ready.instance_id))
    assert gone.job is None
    assert "the order to start has number 1, and 1 is used already" in gone.reason
    stage.lab.put_parameter(STARTED, "pool/hot", "0")
    assert in_state(stage, STARTED, S.STOPPED).instance_id != warm.instance_id


def test_a_reboot_under_a_job_ends_the_instance_and_the_job_fails_without_a_second_run(
    stage: Stage,
) -> None:
    job = stage.push(BUSY, "echo began; sleep 600")
    instance_id = stage.running(job)
    reboot(stage, instance_id)
    ended = stage.ended(job)
    assert (ended.outcome, ended.retried_in) == ("failed", None)
    assert "Mayfly: this machine is shut down from outside" in stage.log_of(job)
    assert stage.finished(job).attempt == 1
    # By whose report `reap` reads first: that of the boot with the job, or of the one after.
    ends = ("the machine is going down", "this boot is not the instance's first, and the")
    assert stage.gone(instance_id).reason.startswith(ends)
    assert len(stage.assignments(job)) == 1


def test_the_proof_of_an_earlier_boot_does_not_make_a_started_instance_ready(stage: Stage) -> None:
    """As if somebody wrote with credentials of the first boot, and the machine itself is silent."""
    warm = in_state(stage, REPLAYED, S.STOPPED)
    name = str(warm.instance_id)
    stage.lab.faults.turn_on(fault(f"machine-dead={name}"))
    job = stage.push(REPLAYED)
    stage.until("the instance is starting", lambda: stage.instance(name).state is S.STARTING)
    proof = Report(Phase.SANDBOXED, str(warm.boot), start=1)
    stage.lab.aws.client("dynamodb").update_item(
        TableName=f"{STACK}-mailbox",
        Key={"key": {"S": warm.sandbox_row}},
        UpdateExpression="SET #report = :report",
        ExpressionAttributeNames={"#report": "report"},
        ExpressionAttributeValues={":report": encode(to_row(proof))},
    )
    before = len(list(stage.lab.aws.journal))
    stage.until("the proof was read three times", lambda: reads(stage, warm, before) >= 3)
    assert stage.instance(name).state is S.STARTING
    stage.age(name, stage.instance(name).boot_minutes)
    stage.tick("reap")
    gone = stage.gone(name)
    assert gone.reason == (
        "the instance was starting for longer than 5 minutes (launch/boot-minutes)"
    )
    assert [step.state for step in gone.history].count(S.READY) == 1
    assert stage.ended(job).outcome == "passed"
    assert stage.served(job).instance_id != name
