"""The queue's template, deployed into the local AWS by itself and as a nested application."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from local.aws_lab import refused
from local.deployed_account import (
    STACK,
    Account,
    inline_policies,
)


@pytest.mark.parametrize("queue", ["deploy", "first"])
def test_a_queue_publishes_its_existing_resources(account: Account, queue: str) -> None:
    published = account.deployed.queues[queue]
    iam, ec2 = account.client("iam"), account.client("ec2")
    for kind in ("bootstrap", "sandbox"):
        name = published[f"{kind}_role"].rpartition("/")[2]
        role = iam.get_role(RoleName=name)["Role"]
        assert role["Arn"] == published[f"{kind}_role"]
        assert role["RoleId"] == published[f"{kind}_role_id"]
        assert role["Path"] == f"/mayfly/mayfly/{kind}/{queue}/"
        profile = iam.get_instance_profile(
            InstanceProfileName=published[f"{kind}_profile"].rpartition("/")[2]
        )["InstanceProfile"]
        assert profile["Arn"] == published[f"{kind}_profile"]
        assert profile["Path"] == role["Path"]
        assert [each["RoleName"] for each in profile["Roles"]] == [name]
        assert unquote(json.dumps(inline_policies(account, name))).count('"Deny"') > 5
    for architecture, template in published["templates"].items():
        versions = ec2.describe_launch_template_versions(
            LaunchTemplateId=template["id"], Versions=[template["version"]]
        )["LaunchTemplateVersions"]
        image = ec2.describe_images(ImageIds=[versions[0]["LaunchTemplateData"]["ImageId"]])
        assert image["Images"][0]["Architecture"] == architecture
    assert ec2.describe_subnets(SubnetIds=published["subnets"])["Subnets"]


def test_the_queues_managed_policies_are_attached(account: Account) -> None:
    published = account.deployed.queues["deploy"]
    for kind in ("Bootstrap", "Sandbox"):
        role = published[f"{kind.lower()}_role"].rpartition("/")[2]
        attached = account.client("iam").list_attached_role_policies(RoleName=role)
        assert [each["PolicyName"] for each in attached["AttachedPolicies"]] == [kind]


@pytest.mark.parametrize("kind", ["bootstrap", "sandbox"])
def test_the_queues_roles_name_the_token_that_the_control_plane_publishes(
    account: Account, kind: str
) -> None:
    role = account.deployed.queues["deploy"][f"{kind}_role"].rpartition("/")[2]
    policies = unquote(json.dumps(inline_policies(account, role)))
    assert ":parameter/buildkite/mayfly/agent-token" in policies
    assert ":key/none" in policies
    assert "{{resolve" not in policies


def test_the_queues_resources_carry_the_tags_that_keep_other_hosts_away(account: Account) -> None:
    own = {"mayfly-stack": STACK, "mayfly-queue": "deploy"}
    published = account.deployed.queues["deploy"]
    for kind in ("bootstrap", "sandbox"):
        name = published[f"{kind}_role"].rpartition("/")[2]
        assert pairs(account.client("iam").list_role_tags(RoleName=name)["Tags"]) == own
    tags = account.client("ssm").list_tags_for_resource(
        ResourceType="Parameter", ResourceId=f"/mayfly-infra/{STACK}/queues/deploy"
    )["TagList"]
    assert pairs(tags) == own
    cloudwatch = account.client("cloudwatch")
    found = [
        pairs(cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"])
        for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        if alarm["AlarmName"].startswith(f"{STACK}-queue/deploy/")
    ]
    assert found == [own] * 4


def pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def template_data(account: Account, queue: str = "deploy") -> dict[str, Any]:
    template = account.deployed.queues[queue]["templates"]["x86_64"]
    versions = account.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template["id"], Versions=[template["version"]]
    )
    data: dict[str, Any] = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    return data


def test_the_deployed_launch_template_matches_the_template(account: Account) -> None:
    data = template_data(account)
    assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert data["MaintenanceOptions"] == {"AutoRecovery": "disabled"}
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] in {True, "true"}
    tags = {each["ResourceType"]: each["Tags"] for each in data["TagSpecifications"]}
    assert {"Key": "cost-centre", "Value": "42"} in tags["instance"]
    assert {"Key": "team", "Value": "ci"} in tags["volume"]


def test_the_security_group_allows_no_ingress_and_all_egress(account: Account) -> None:
    group = account.resources(f"{STACK}-queue-deploy")["InstanceSecurityGroup"]
    (found,) = account.client("ec2").describe_security_groups(
        GroupIds=[group["PhysicalResourceId"]]
    )["SecurityGroups"]
    assert found["IpPermissions"] == []
    v4 = [r["CidrIp"] for p in found["IpPermissionsEgress"] for r in p.get("IpRanges", ())]
    v6 = [r["CidrIpv6"] for p in found["IpPermissionsEgress"] for r in p.get("Ipv6Ranges", ())]
    assert (v4, v6) == (["0.0.0.0/0"], ["::/0"])
    assert {"Key": "mayfly-queue", "Value": "deploy"} in found["Tags"]


def test_an_instance_of_the_queue_boots_with_its_user_data_and_bootstrap_profile(
    account: Account, sources: Path
) -> None:
    published = account.deployed.queues["deploy"]
    launched = account.client("ec2").run_instances(
        MinCount=1,
        MaxCount=1,
        InstanceType="m7i.large",
        LaunchTemplate={"LaunchTemplateId": published["templates"]["x86_64"]["id"]},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "mayfly-launch", "Value": "l-1"}]}
        ],
    )["Instances"][0]
    assert launched["IamInstanceProfile"]["Arn"] == published["bootstrap_profile"]
    assert {"Key": "team", "Value": "ci"} in launched["Tags"]
    user_data = account.lab.aws.ec2.get(launched["InstanceId"]).user_data.decode()
    before, after = (
        (sources / "layers" / "instance" / "user-data.sh")
        .read_text()
        .split("\n__MAYFLY_HOST_JSON__\n")
    )
    assert user_data.startswith(before + "\n")
    assert user_data.endswith(after)
    host = json.loads(user_data[len(before) + 1 : -len(after)])
    assert host["queue"] == "deploy"
    assert host["bootstrap_profile"] == published["bootstrap_profile"]


def test_hosts_of_the_queue_may_read_its_bootstrap_scripts_and_no_others(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="scripts")
    for key in ("mayfly/setup.sh", "others/setup.sh"):
        s3.put_object(Bucket="scripts", Key=key, Body=b"#!/bin/bash")
    aws = account.lab.aws
    for queue, readable in (("deploy", {"mayfly/setup.sh"}), ("first", set())):
        arn = account.deployed.queues[queue]["bootstrap_profile"]
        keys, _ = aws.sessions.of_instance("i-1", arn)
        get = account.lab.client("s3", keys).get_object
        for key in ("mayfly/setup.sh", "others/setup.sh"):
            if key in readable:
                assert get(Bucket="scripts", Key=key)["Body"].read()
            else:
                assert refused(get, Bucket="scripts", Key=key) == ("AccessDenied", 403)


def test_deploying_a_queue_is_an_event_for_the_control_plane(account: Account) -> None:
    aws = account.lab.aws
    rule = next(
        each
        for each in aws._world.cloud.backend("events").event_buses["default"].rules.values()
        if each.name == "mayfly-parameters"
    )
    event = {
        "source": "aws.ssm",
        "detail-type": "Parameter Store Change",
        "detail": {"name": "/mayfly-infra/mayfly/queues/deploy", "operation": "Create"},
    }
    assert rule.event_pattern.matches_event(event)
    other = event | {"detail": {"name": "/mayfly/another/queues/x/paused", "operation": "Create"}}
    assert not rule.event_pattern.matches_event(other)
