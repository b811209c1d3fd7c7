"""Launches by the function `provision`: what the policy of its deployed role allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws_lab import refused
from local.deployed_account import Account
from local.iam_calls import Principals

TAGS = {"mayfly-stack": "mayfly", "mayfly-queue": "first", "mayfly-launch": "l-1"}


class Provision:
    """The function's client of EC2, with its deployed role."""

    def __init__(self, account: Account) -> None:
        aws = account.lab.aws
        principal = Principals(account).by_name["provision"]
        self.ec2 = account.lab.client("ec2", aws.credentials.issue(principal, timedelta(hours=1)))
        self.subnet = account.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        self.facts = account.deployed.queues["first"]

    def fleet(self, *types: str, **tags: str) -> dict[str, Any]:
        template = self.facts["templates"]["x86_64"]
        given = {**TAGS, **tags}
        answer: dict[str, Any] = self.ec2.create_fleet(
            Type="instant",
            LaunchTemplateConfigs=[
                {
                    "LaunchTemplateSpecification": {
                        "LaunchTemplateId": template["id"],
                        "Version": template["version"],
                    },
                    "Overrides": [
                        {"InstanceType": each, "SubnetId": self.subnet} for each in types
                    ],
                }
            ],
            TargetCapacitySpecification={
                "TotalTargetCapacity": 1,
                "DefaultTargetCapacityType": "on-demand",
            },
            TagSpecifications=[
                {
                    "ResourceType": kind,
                    "Tags": [{"Key": key, "Value": value} for key, value in given.items()],
                }
                for kind in ("fleet", "instance", "volume")
            ],
        )
        return answer


@pytest.fixture(scope="module")
def provision(account: Account) -> Provision:
    return Provision(account)


def types(answer: dict[str, Any]) -> list[str]:
    return [each["InstanceType"] for each in answer["Instances"]]


@pytest.mark.parametrize("name", ["m7i.large", "m7i.xlarge", "m7i.4xlarge"])
def test_a_size_of_instance_sizes_is_launched(provision: Provision, name: str) -> None:
    answer = provision.fleet(name)
    assert (types(answer), answer["Errors"]) == ([name], [])


@pytest.mark.parametrize("name", ["m7i.8xlarge", "m7i.metal-24xl", "t3.small"])
def test_another_size_is_refused_in_the_words_of_iam(provision: Provision, name: str) -> None:
    answer = provision.fleet(name)
    assert answer["Instances"] == []
    [error] = answer["Errors"]
    assert error["ErrorCode"] == "UnauthorizedOperation"
    assert error["ErrorMessage"].startswith("You are not authorized to perform this operation.")
    assert "because no identity-based policy allows the ec2:RunInstances" in error["ErrorMessage"]


def test_a_fleet_takes_the_next_type_after_one_that_may_not_be_launched(
    provision: Provision,
) -> None:
    answer = provision.fleet("m7i.8xlarge", "m7i.large")
    assert types(answer) == ["m7i.large"]
    assert [each["ErrorCode"] for each in answer["Errors"]] == ["UnauthorizedOperation"]


def test_tags_of_another_stack_are_refused(provision: Provision) -> None:
    with pytest.raises(ClientError, match=r"CreateFleet on resource: .*:fleet/"):
        provision.fleet("m7i.large", **{"mayfly-stack": "other"})


def test_tags_of_another_queue_are_refused(provision: Provision) -> None:
    answer = provision.fleet("m7i.large", **{"mayfly-queue": "deploy"})
    assert [each["ErrorCode"] for each in answer["Errors"]] == ["UnauthorizedOperation"]


def test_instances_without_a_template_are_refused(account: Account, provision: Provision) -> None:
    images = account.client("ec2").describe_images(Owners=["amazon"])["Images"]
    image = next(each["ImageId"] for each in images if each["Architecture"] == "x86_64")
    call = {"ImageId": image, "InstanceType": "m7i.large", "MinCount": 1, "MaxCount": 1}
    assert refused(provision.ec2.run_instances, **call) == ("UnauthorizedOperation", 403)
