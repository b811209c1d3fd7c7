from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from local.aws_lab import FAST, a_lab, refused
from local.ec2_lab import Ec2Lab, ec2_lab
from local.waiting import eventually
from mayfly_lab.aws.ec2.life import IllegalTransitionError
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.aws.ec2.states import TRANSITIONS, State


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), FAST) as lab:
        yield ec2_lab(lab)


def stop_behaviour(cloud: Ec2Lab) -> dict[str, Any]:
    return {
        "ImageId": cloud.image,
        "InstanceType": "m7i.large",
        "InstanceInitiatedShutdownBehavior": "stop",
    }


# ------------------------------------------------------------------ states


def test_the_ec2_states_match_the_user_guide() -> None:
    assert {
        State.PENDING: {State.RUNNING, State.SHUTTING_DOWN, State.TERMINATED},
        State.RUNNING: {State.STOPPING, State.SHUTTING_DOWN},
        State.STOPPING: {State.STOPPED, State.SHUTTING_DOWN},
        State.STOPPED: {State.PENDING, State.SHUTTING_DOWN},
        State.SHUTTING_DOWN: {State.TERMINATED},
        State.TERMINATED: set(),
    } == TRANSITIONS
    assert {state: state.code for state in State} == {
        "pending": 0,
        "running": 16,
        "shutting-down": 32,
        "terminated": 48,
        "stopping": 64,
        "stopped": 80,
    }


def test_an_instance_loses_its_power_before_its_state_is_terminated(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    changes = cloud.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"]
    assert changes[0]["PreviousState"]["Name"] == "running"
    assert changes[0]["CurrentState"]["Name"] == "shutting-down"
    cloud.reaches(instance_id, "terminated")
    assert instance_id not in cloud.lab.room.powered
    assert cloud.one(instance_id)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_terminating_twice_is_no_error(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    change = cloud.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] == change["PreviousState"]["Name"] == "terminated"


def test_one_unknown_id_in_terminate_leaves_the_other_instances_running(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    code = refused(cloud.ec2.terminate_instances, InstanceIds=[instance_id, "i-0000"])[0]
    assert code == "InvalidInstanceID.NotFound"
    assert cloud.state(instance_id) == "running"


def test_a_stopped_instance_boots_again_as_its_second_boot(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    assert instance_id not in cloud.lab.room.powered
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    eventually(lambda: instance_id in cloud.lab.room.powered)
    assert cloud.lab.room.powered[instance_id].number == 2
    assert cloud.state(instance_id) == "running"


def test_a_reboot_cuts_the_power_and_keeps_the_state(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.reboot_instances(InstanceIds=[instance_id])
    eventually(
        lambda: (
            cloud.lab.room.powered.get(instance_id, None) is not None
            and cloud.lab.room.powered[instance_id].number == 2
        )
    )
    assert cloud.state(instance_id) == "running"


@pytest.mark.parametrize(
    "operation",
    [
        "start_instances",
        "stop_instances",
        "reboot_instances",
    ],
)
def test_a_terminated_instance_stays_terminated(cloud: Ec2Lab, operation: str) -> None:
    instance_id = cloud.run()[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    call = getattr(cloud.ec2, operation)
    assert refused(call, InstanceIds=[instance_id])[0] == "IncorrectInstanceState"


def test_a_spot_instance_cannot_be_stopped(cloud: Ec2Lab) -> None:
    instance_id = cloud.fleet(1, market="spot")["Instances"][0]["InstanceIds"][0]
    cloud.reaches(instance_id, "running")
    code = refused(cloud.ec2.stop_instances, InstanceIds=[instance_id])[0]
    assert code == "UnsupportedOperation"


def test_a_stop_and_a_start_keep_the_association_and_the_private_address(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    before = cloud.one(instance_id)
    (association,) = associations_of(cloud, instance_id)
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    assert associations_of(cloud, instance_id) == [association]
    assert cloud.one(instance_id)["IamInstanceProfile"] == before["IamInstanceProfile"]
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "running")
    assert associations_of(cloud, instance_id) == [association]
    assert cloud.one(instance_id)["PrivateIpAddress"] == before["PrivateIpAddress"]


def associations_of(cloud: Ec2Lab, instance_id: str) -> list[Any]:
    answer = cloud.ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [instance_id]}]
    )
    return list(answer["IamInstanceProfileAssociations"])


def test_a_stop_releases_the_public_address_and_a_start_brings_another(cloud: Ec2Lab) -> None:
    """EC2 user guide, "Stop and start": a public IPv4 address is released, private ones stay."""
    network = {"AssociatePublicIpAddress": True, "DeviceIndex": 0, "SubnetId": cloud.subnets[0]}
    instance_id = cloud.running(
        LaunchTemplate={}, **stop_behaviour(cloud), NetworkInterfaces=[network]
    )[0]
    before = cloud.one(instance_id)["PublicIpAddress"]
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    assert "PublicIpAddress" not in cloud.one(instance_id)
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "running")
    assert cloud.one(instance_id)["PublicIpAddress"] != before


def test_the_disk_is_deleted_with_the_instance_and_not_by_a_stop(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    assert instance_id not in cloud.lab.room.discarded
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    eventually(lambda: instance_id in cloud.lab.room.discarded)


def test_a_stop_and_a_start_are_announced_in_the_order_of_the_states(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "running")
    states = [
        m.value for m in cloud.lab.aws.ec2.moments.of(instance_id) if m.aspect is Aspect.STATE
    ]
    assert states == ["pending", "running", "stopping", "stopped", "pending", "running"]


def test_a_start_may_lack_the_capacity_that_a_launch_finds(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    cloud.lab.aws.faults.set("no-capacity-at-start", "*", count=1)
    code = refused(cloud.ec2.start_instances, InstanceIds=[instance_id])
    assert code == ("InsufficientInstanceCapacity", 500)
    assert cloud.running()
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "running")


def test_starting_a_stopped_instance_may_fail_without_capacity(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    cloud.lab.aws.faults.set("no-capacity", "m7i.large/*", count=1)
    code = refused(cloud.ec2.start_instances, InstanceIds=[instance_id])
    assert code == ("InsufficientInstanceCapacity", 500)


@pytest.mark.parametrize("again", [False, True], ids=["a launch", "a start"])
def test_an_instance_may_stay_pending_until_it_is_terminated(cloud: Ec2Lab, again: bool) -> None:
    if again:
        instance_id = cloud.running()[0]
        cloud.ec2.stop_instances(InstanceIds=[instance_id])
        cloud.reaches(instance_id, "stopped")
    fault = cloud.lab.aws.faults.set("pending-hangs", "m7i.large")
    if again:
        cloud.ec2.start_instances(InstanceIds=[instance_id])
    else:
        instance_id = cloud.run()[0]
    eventually(lambda: fault.struck)
    assert cloud.state(instance_id) == "pending"
    assert instance_id not in cloud.lab.room.powered
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")


def test_an_instance_may_stay_stopping_until_it_is_terminated(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    fault = cloud.lab.aws.faults.set("stopping-hangs", "m7i.large")
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    assert fault.struck == 1
    cloud.lab.later(FAST.stopping + 1)
    assert cloud.state(instance_id) == "stopping"
    assert refused(cloud.ec2.start_instances, InstanceIds=[instance_id])[0] == (
        "IncorrectInstanceState"
    )
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    assert instance_id not in cloud.lab.room.powered


def test_the_lab_refuses_state_changes_that_ec2_never_makes(cloud: Ec2Lab) -> None:
    aws = cloud.lab.aws
    instance = aws.ec2.get(cloud.running()[0])
    with pytest.raises(IllegalTransitionError):
        aws.ec2.life._move(instance, State.PENDING)


# ------------------------------------------------------------------ power off


def test_power_off_terminates_an_instance_with_shutdown_behaviour_terminate(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.lab.room.view.powered_off(instance_id)
    cloud.reaches(instance_id, "terminated")
    assert cloud.one(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_power_off_stops_an_instance_with_shutdown_behaviour_stop(cloud: Ec2Lab) -> None:
    instance_id = cloud.running(LaunchTemplate={}, **stop_behaviour(cloud))[0]
    cloud.lab.room.view.powered_off(instance_id)
    cloud.reaches(instance_id, "stopped")


# ------------------------------------------------------------------ spot


def test_a_spot_warning_comes_before_the_end(cloud: Ec2Lab) -> None:
    instance_id = cloud.fleet(1, market="spot")["Instances"][0]["InstanceIds"][0]
    cloud.reaches(instance_id, "running")
    view = cloud.lab.room.view
    assert view.spot_action(instance_id) is None
    cloud.lab.aws.ec2.interrupt(instance_id, warning=0.1)
    assert view.spot_action(instance_id) is not None
    assert cloud.state(instance_id) == "running"
    cloud.reaches(instance_id, "terminated")
    assert cloud.one(instance_id)["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_only_spot_instances_are_interrupted(cloud: Ec2Lab) -> None:
    with pytest.raises(ValueError, match="not a running spot instance"):
        cloud.lab.aws.ec2.interrupt(cloud.running()[0])


# ------------------------------------------------------------------ what is told of it


def test_every_change_is_in_the_journal_and_in_the_moments(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    aws = cloud.lab.aws
    told = aws.journal.select(instance_id, operation="StateChange")
    states = ["pending", "running", "shutting-down", "terminated"]
    assert [entry.resources["state"] for entry in told] == states
    moments = [each for each in aws.moments.of(instance_id) if each.aspect is Aspect.STATE]
    assert [each.value for each in moments] == states
    assert all(one.at <= two.at for one, two in pairwise(moments))


def test_the_console_output_is_the_machines_output(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    output = cloud.ec2.get_console_output(InstanceId=instance_id)["Output"]
    assert output == f"console of {instance_id}"
    assert refused(cloud.ec2.get_console_output, InstanceId="i-0")[0] == (
        "InvalidInstanceID.NotFound"
    )


def test_terminated_instances_vanish_after_the_stated_time(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    cloud.lab.later(FAST.terminated_shown)
    code = refused(cloud.ec2.describe_instances, InstanceIds=[instance_id])[0]
    assert code == "InvalidInstanceID.NotFound"
