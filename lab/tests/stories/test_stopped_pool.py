"""The stopped pool: what its instances go through, and what ends them instead of a start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

S = InstanceState
WARM, CHANGED, DRY, GIVEN, REBOOTED = "warm", "changed", "dry", "given", "rebooted"
TYPES = {DRY: "c7i.large"}
POOL = {"pool/stopped": "1", "pool/grace-minutes": "0"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    queues = (WARM, CHANGED, DRY, GIVEN, REBOOTED)
    choices = LabChoices(
        queues=queues,
        delays=replace(QUICK, minute=8.0),
        boot_seconds=BOOT,
        parameters={
            queue: POOL | ({"launch/instance-types": TYPES[queue]} if queue in TYPES else {})
            for queue in queues
        },
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


def stopped(stage: Stage, queue: str) -> Instance:
    """The instance that waits in the queue's stopped pool."""
    return stage.until(
        f"{queue} has a stopped instance",
        lambda: [i for i in stage.instances(queue) if i.state is S.STOPPED],
    )[0]


def passed_through(instance: Instance) -> list[str]:
    return [step.state for step in instance.history]


def test_a_job_runs_on_a_stopped_instance_whose_second_boot_was_proven_anew(stage: Stage) -> None:
    warm = stopped(stage, WARM)
    job = stage.push(WARM)
    assert stage.ended(job).outcome == "passed"
    used = stage.served(job)
    assert used.instance_id == warm.instance_id
    assert used.starts == 1
    assert used.boot not in {None, warm.boot}
    cycle = ["ready", "stopping", "stopped", "starting", "ready", "assigned"]
    states = passed_through(used)
    assert states[states.index("ready") :][:6] == cycle
    assert stopped(stage, WARM).instance_id != warm.instance_id


def test_a_start_without_capacity_falls_back_to_a_launch_of_another_type(stage: Stage) -> None:
    warm = stopped(stage, DRY)
    stage.lab.put_parameter(DRY, "launch/instance-types", f"{TYPES[DRY]},m6i.large")
    stage.until("both types are in force", lambda: len(stage.in_force(DRY).instance_types) == 2)
    stage.lab.aws.faults.set("no-capacity", f"{TYPES[DRY]}/*")
    job = stage.push(DRY)
    assert stage.ended(job).outcome == "passed"
    assert stage.served(job).instance_id != warm.instance_id


def test_a_stopped_instance_that_gets_the_bootstrap_profile_again_is_never_used(
    stage: Stage,
) -> None:
    warm = stopped(stage, GIVEN)
    ec2 = stage.lab.aws.client("ec2")
    (shown,) = ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [warm.instance_id]}]
    )["IamInstanceProfileAssociations"]
    ec2.disassociate_iam_instance_profile(AssociationId=shown["AssociationId"])
    ec2.associate_iam_instance_profile(
        InstanceId=warm.instance_id,
        IamInstanceProfile={"Arn": warm.pinned.bootstrap_profile},
    )
    job = stage.push(GIVEN)
    assert stage.ended(job).outcome == "passed"
    assert stage.served(job).instance_id != warm.instance_id
    gone = stage.gone(str(warm.instance_id))
    assert warm.pinned.bootstrap_profile in gone.reason
    started = stage.lab.aws.journal.select(operation="StartInstances", about=str(warm.instance_id))
    assert started == []


def test_a_changed_configuration_replaces_the_stopped_instance(stage: Stage) -> None:
    old = stopped(stage, CHANGED)
    stage.lab.put_parameter(CHANGED, "launch/generation", "next")
    gone = stage.gone(str(old.instance_id))
    assert gone.reason == "the instance was made by an older configuration"
    assert stopped(stage, CHANGED).spec != old.spec


def test_a_stopped_instance_that_somebody_starts_is_ended_and_runs_no_job(stage: Stage) -> None:
    warm = stopped(stage, REBOOTED)
    stage.lab.aws.client("ec2").start_instances(InstanceIds=[warm.instance_id])
    gone = stage.gone(str(warm.instance_id))
    assert gone.job is None
    assert stopped(stage, REBOOTED).instance_id != warm.instance_id
