"""Shared parts of the local EC2's tests: profiles, launch templates, and short calls."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from local.aws_lab import QUEUE, STACK, Lab
from local.waiting import eventually

USER_DATA = b"#!/bin/bash\necho boots\n"


@dataclass
class Ec2Lab:
    """A lab with two profiles and a launch template, as a queue's stack creates them."""

    lab: Lab
    bootstrap: str
    sandbox: str
    template: str
    image: str
    subnets: list[str]

    @property
    def ec2(self) -> Any:
        return self.lab.client("ec2")

    def run(self, count: int = 1, **options: Any) -> list[str]:
        """RunInstances from the template. Returns the ids."""
        options.setdefault("LaunchTemplate", {"LaunchTemplateId": self.template})
        answer = self.ec2.run_instances(MinCount=1, MaxCount=count, **options)
        return [instance["InstanceId"] for instance in answer["Instances"]]

    def running(self, count: int = 1, **options: Any) -> list[str]:
        """RunInstances, and wait until the instances have power. Returns the ids."""
        ids = self.run(count, **options)
        eventually(lambda: set(ids) <= self.lab.room.powered.keys())
        return ids

    def fleet(self, count: int = 1, **options: Any) -> dict[str, Any]:
        """CreateFleet over the given overrides (`pools`: type and subnet)."""
        pools = options.pop("pools", [("m7i.large", self.subnets[0])])
        overrides = [{"InstanceType": kind, "SubnetId": subnet} for kind, subnet in pools]
        options.setdefault("market", "on-demand")
        market = options.pop("market")
        answer: dict[str, Any] = self.ec2.create_fleet(
            Type="instant",
            LaunchTemplateConfigs=[
                {
                    "LaunchTemplateSpecification": {
                        "LaunchTemplateId": self.template,
                        "Version": "1",
                    },
                    "Overrides": overrides,
                }
            ],
            TargetCapacitySpecification={
                "TotalTargetCapacity": count,
                "DefaultTargetCapacityType": market,
            },
            **options,
        )
        return answer

    def one(self, instance_id: str) -> dict[str, Any]:
        """The description of an instance by DescribeInstances."""
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
        return found

    def state(self, instance_id: str) -> str:
        """The instance's state."""
        return str(self.one(instance_id)["State"]["Name"])

    def reaches(self, instance_id: str, state: str) -> None:
        """Wait until the instance has this state."""
        eventually(lambda: self.state(instance_id) == state)

    def associations(self, instance_id: str) -> list[tuple[str, str, str]]:
        """Id, profile and state of each association that EC2 shows for an instance."""
        answer = self.ec2.describe_iam_instance_profile_associations(
            Filters=[{"Name": "instance-id", "Values": [instance_id]}]
        )
        return [
            (each["AssociationId"], each["IamInstanceProfile"]["Arn"], each["State"])
            for each in answer["IamInstanceProfileAssociations"]
        ]

    def replace(self, instance_id: str, profile: str) -> str:
        """Replace the profile. Returns the new association's id."""
        old = self.associations(instance_id)[-1][0]
        answer = self.ec2.replace_iam_instance_profile_association(
            AssociationId=old, IamInstanceProfile={"Arn": profile}
        )
        return str(answer["IamInstanceProfileAssociation"]["AssociationId"])


def ec2_lab(lab: Lab) -> Ec2Lab:
    """Create profiles and a launch template in a lab."""
    iam, ec2 = lab.client("iam"), lab.client("ec2")
    profiles = {}
    for kind in ("bootstrap", "sandbox"):
        path = f"/mayfly/{STACK}/{kind}/{QUEUE}/"
        iam.create_role(RoleName=kind, Path=path, AssumeRolePolicyDocument="{}")
        made = iam.create_instance_profile(InstanceProfileName=kind, Path=path)
        iam.add_role_to_instance_profile(InstanceProfileName=kind, RoleName=kind)
        profiles[kind] = made["InstanceProfile"]["Arn"]
    image = lab.client("ssm").get_parameter(
        Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    )["Parameter"]["Value"]
    subnets = sorted(ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])
    group = ec2.create_security_group(
        GroupName="instances", Description="d", VpcId=subnets[0]["VpcId"]
    )
    template = ec2.create_launch_template(
        LaunchTemplateName="default",
        LaunchTemplateData={
            "ImageId": image,
            "InstanceType": "m7i.large",
            "IamInstanceProfile": {"Arn": profiles["bootstrap"]},
            "InstanceInitiatedShutdownBehavior": "terminate",
            "MetadataOptions": {
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,
                "InstanceMetadataTags": "disabled",
            },
            "NetworkInterfaces": [
                {"DeviceIndex": 0, "AssociatePublicIpAddress": False, "Groups": [group["GroupId"]]}
            ],
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3"}}
            ],
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "ci"}]},
                {"ResourceType": "network-interface", "Tags": [{"Key": "net", "Value": "yes"}]},
            ],
            "UserData": base64.b64encode(USER_DATA).decode(),
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    ids = [each["SubnetId"] for each in subnets]
    return Ec2Lab(lab, profiles["bootstrap"], profiles["sandbox"], template, image, ids)
