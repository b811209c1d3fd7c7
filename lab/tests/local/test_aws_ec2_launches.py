from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.aws_lab import FAST, a_lab, refused
from local.ec2_lab import USER_DATA, Ec2Lab, ec2_lab

LAUNCH: dict[str, Any] = {
    "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "l", "Value": "1"}]}]
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), FAST) as lab:
        yield ec2_lab(lab)


@pytest.fixture(autouse=True)
def clear_faults(cloud: Ec2Lab) -> Iterator[None]:
    yield
    cloud.lab.aws.faults.clear()


# ------------------------------------------------------------------ what a launch makes


def test_every_instance_of_a_launch_matches_its_template(cloud: Ec2Lab) -> None:
    for instance_id in cloud.run(3):
        one = cloud.one(instance_id)
        assert one["IamInstanceProfile"]["Arn"] == cloud.bootstrap
        assert one["IamInstanceProfile"]["Id"].startswith("AIPA")
        assert one["MetadataOptions"]["HttpTokens"] == "required"
        assert one["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert tags["team"] == "ci"
        assert tags["aws:ec2launchtemplate:id"] == cloud.template
        assert tags["aws:ec2launchtemplate:version"] == "1"
        attribute = cloud.ec2.describe_instance_attribute(
            InstanceId=instance_id, Attribute="instanceInitiatedShutdownBehavior"
        )
        assert attribute["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
        interface = one["NetworkInterfaces"][0]
        shown = cloud.ec2.describe_network_interfaces(
            NetworkInterfaceIds=[interface["NetworkInterfaceId"]]
        )["NetworkInterfaces"][0]
        assert {"Key": "net", "Value": "yes"} in shown["TagSet"]
        volumes = [each["Ebs"]["VolumeId"] for each in one["BlockDeviceMappings"]]
        assert len(volumes) == 1


def test_a_machine_boots_with_the_values_of_its_launch(cloud: Ec2Lab) -> None:
    instance_id = cloud.running(**LAUNCH)[0]
    boot = cloud.lab.room.powered[instance_id]
    assert boot.number == 1
    assert boot.user_data == USER_DATA
    assert (boot.instance_type, boot.architecture) == ("m7i.large", "x86_64")
    assert boot.tags["l"] == "1"
    assert boot.private_ip == cloud.one(instance_id)["PrivateIpAddress"]
    assert boot.availability_zone == cloud.one(instance_id)["Placement"]["AvailabilityZone"]


def test_the_request_wins_over_the_template(cloud: Ec2Lab) -> None:
    instance_id = cloud.run(
        InstanceType="c7i.large",
        IamInstanceProfile={"Name": "sandbox"},
        MetadataOptions={"HttpTokens": "optional"},
    )[0]
    one = cloud.one(instance_id)
    assert one["InstanceType"] == "c7i.large"
    assert one["IamInstanceProfile"]["Arn"] == cloud.sandbox
    assert one["MetadataOptions"]["HttpTokens"] == "optional"


def test_an_image_can_be_named_by_a_public_parameter(cloud: Ec2Lab) -> None:
    parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    answer = cloud.ec2.run_instances(
        MinCount=1, MaxCount=1, ImageId=f"resolve:ssm:{parameter}", InstanceType="m7g.large"
    )["Instances"][0]
    assert answer["Architecture"] == "arm64"
    assert answer["ImageId"].startswith("ami-")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"ImageId": "ami-0000"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "m7i.gigantic"}, "InvalidParameterValue"),
        ({"InstanceType": "m7g.large"}, "InvalidParameterValue"),
        ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0000"}, "InvalidSubnetID.NotFound"),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-00"}}, "InvalidLaunchTemplateId.NotFound"),
        (
            {"LaunchTemplate": {"LaunchTemplateName": "none"}},
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        (
            {"LaunchTemplate": {"LaunchTemplateName": "default", "Version": "9"}},
            "InvalidLaunchTemplateId.VersionNotFound",
        ),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_an_invalid_launch_is_refused(cloud: Ec2Lab, options: dict[str, Any], code: str) -> None:
    before = len(cloud.lab.aws.ec2.instances)
    options = {"LaunchTemplate": {"LaunchTemplateId": cloud.template}} | options
    assert refused(cloud.ec2.run_instances, MinCount=1, MaxCount=1, **options)[0] == code
    assert len(cloud.lab.aws.ec2.instances) == before


# ------------------------------------------------------------------ client tokens


def test_the_same_client_token_launches_once(cloud: Ec2Lab) -> None:
    first = cloud.run(2, ClientToken="once")
    assert cloud.run(2, ClientToken="once") == first
    assert refused(
        cloud.ec2.run_instances,
        MinCount=1,
        MaxCount=3,
        ClientToken="once",
        LaunchTemplate={"LaunchTemplateId": cloud.template},
    )[0] == ("IdempotentParameterMismatch")


def test_a_client_token_counts_per_zone_when_a_subnet_is_named(cloud: Ec2Lab) -> None:
    plain = {"ImageId": cloud.image, "InstanceType": "m7i.large", "ClientToken": "zonal"}
    ids = {
        cloud.ec2.run_instances(MinCount=1, MaxCount=1, SubnetId=subnet, **plain)["Instances"][0][
            "InstanceId"
        ]
        for subnet in cloud.subnets[:2]
    }
    assert len(ids) == 2


def test_a_client_token_of_a_terminated_instance_is_used_up(cloud: Ec2Lab) -> None:
    instance_id = cloud.run(ClientToken="used")[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    template = {"LaunchTemplate": {"LaunchTemplateId": cloud.template}}
    code = refused(cloud.ec2.run_instances, MinCount=1, MaxCount=1, ClientToken="used", **template)[
        0
    ]
    assert code == "IdempotentInstanceTerminated"
