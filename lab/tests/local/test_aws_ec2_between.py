"""Transient instance states, each held for as long as the test needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from local.aws_lab import FAST, a_lab, refused
from local.ec2_lab import Ec2Lab, ec2_lab
from local.waiting import eventually

FOREVER = 3600.0
STANDSTILL = replace(FAST, pending=FOREVER, stopping=FOREVER, shutting_down=FOREVER)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), STANDSTILL) as lab:
        yield ec2_lab(lab)


def powered(cloud: Ec2Lab) -> str:
    instance_id = cloud.run()[0]
    aws = cloud.lab.aws
    aws.ec2.life._run(aws.ec2.get(instance_id))
    return instance_id


def test_a_pending_instance_has_no_power_and_nothing_on_its_console(cloud: Ec2Lab) -> None:
    instance_id = cloud.run()[0]
    assert cloud.state(instance_id) == "pending"
    assert instance_id not in cloud.lab.room.powered
    assert "Output" not in cloud.ec2.get_console_output(InstanceId=instance_id)
    assert cloud.lab.room.view.profile(instance_id) is None


@pytest.mark.parametrize("operation", ["stop_instances", "reboot_instances"])
def test_a_pending_instance_cannot_be_stopped_or_rebooted(cloud: Ec2Lab, operation: str) -> None:
    call = getattr(cloud.ec2, operation)
    assert refused(call, InstanceIds=cloud.run())[0] == "IncorrectInstanceState"


def test_a_pending_instances_profile_cannot_be_replaced(cloud: Ec2Lab) -> None:
    instance_id = cloud.run()[0]
    code = refused(
        cloud.ec2.replace_iam_instance_profile_association,
        AssociationId=cloud.associations(instance_id)[0][0],
        IamInstanceProfile={"Arn": cloud.sandbox},
    )[0]
    assert code == "IncorrectState"


def test_a_pending_instance_that_is_terminated_never_boots(cloud: Ec2Lab) -> None:
    instance_id = cloud.run()[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    aws = cloud.lab.aws
    aws.ec2.life._run(aws.ec2.get(instance_id))  # the callback of the launch's timer
    assert instance_id not in {boot.instance_id for boot in cloud.lab.room.boots}


def test_a_stopping_instance_is_without_power_and_cannot_be_started(cloud: Ec2Lab) -> None:
    instance_id = powered(cloud)
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    eventually(lambda: instance_id not in cloud.lab.room.powered)
    assert cloud.state(instance_id) == "stopping"
    assert refused(cloud.ec2.start_instances, InstanceIds=[instance_id])[0] == (
        "IncorrectInstanceState"
    )
    code = refused(
        cloud.ec2.replace_iam_instance_profile_association,
        AssociationId=cloud.associations(instance_id)[0][0],
        IamInstanceProfile={"Arn": cloud.sandbox},
    )[0]
    assert code == "IncorrectState"


def test_a_stopping_instance_can_be_terminated(cloud: Ec2Lab) -> None:
    instance_id = powered(cloud)
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    assert cloud.state(instance_id) == "shutting-down"


def test_power_off_of_an_instance_that_is_ending_changes_nothing(cloud: Ec2Lab) -> None:
    instance_id = powered(cloud)
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.lab.room.view.powered_off(instance_id)
    assert cloud.one(instance_id)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_a_late_power_on_of_a_terminated_instance_is_ignored(cloud: Ec2Lab) -> None:
    aws = cloud.lab.aws
    instance = aws.ec2.get(powered(cloud))
    boot = cloud.lab.room.powered[instance.instance_id]
    cloud.ec2.terminate_instances(InstanceIds=[instance.instance_id])
    eventually(lambda: instance.instance_id not in cloud.lab.room.powered)
    aws.ec2.life._switch_on(instance, boot)
    assert instance.instance_id not in cloud.lab.room.powered
