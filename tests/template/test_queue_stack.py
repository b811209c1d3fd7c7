"""Resources of stacks/queue.yaml, apart from rights."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mayfly.config.folders import (
    LONGEST_ROLE_PATH,
    LONGEST_SECRETS_PATH,
    why_no_job_role_path,
    why_no_secrets_path,
)
from mayfly.config.infra import Infra
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment

Resources = dict[str, dict[str, Any]]

TEMPLATES = {"x86_64": "LaunchTemplateX8664", "arm64": "LaunchTemplateArm64"}
LOGICAL_IDS = {
    "BootstrapRole",
    "BootstrapProfile",
    "SandboxRole",
    "SandboxProfile",
    "LaunchTemplateX8664",
    "LaunchTemplateArm64",
    "InstanceSecurityGroup",
    "Published",
    "QueueProblemsFound",
    "JobsWaitTooLong",
    "HostsFail",
    "NoCapacity",
}
ALARMS = ("HostsFail", "JobsWaitTooLong", "NoCapacity", "QueueProblemsFound")
IAM = f"arn:aws:iam::{ACCOUNT}"
FOLDERS = [
    *("/vendors/buildkite/linux", "/secrets", f"/{'x' * 63}", f"/{'x' * 64}", "/a" * 11, "/a" * 12),
    *(
        "/mayfly",
        "/mayfly-infra/acme",
        "/mayflyx",
        "/x/mayfly",
        "/Mayfly",
        "/aws",
        "/Aws/x",
        "/SSM",
    ),
    *("/buildkite", "/buildkite/mayfly", "/buildkite/mayfly/x", "/buildkite/mayflies"),
    *(
        "/buildkitex",
        "/buildkite/x",
        "/",
        "//",
        "/x/",
        "x",
        "/x/*",
        "/x?",
        "/x/${y}",
        "/x y",
        "/x\n",
    ),
]
ROLE_PATHS = [
    *("/ci/", "/teams/ci/", f"/{'x' * 126}/", f"/{'x' * 127}/", "/", "/ci", "ci/", "//", "/ci//"),
    *("/mayfly/", "/mayfly/acme/", "/mayflies/", "/aws-reserved/sso/", "/aws-service-role/x/"),
    *("/ci/*/", "/c?/", "/c i/", "/ci/\n", "/ci/mayfly/"),
]
STACK_UUID = "00000000-0000-4000-8000-000000000000"


def launch(resources: Resources, template: str) -> dict[str, Any]:
    data: dict[str, Any] = resources[template]["Properties"]["LaunchTemplateData"]
    return data


def tags(resources: Resources, template: str) -> dict[str, dict[str, str]]:
    return {
        spec["ResourceType"]: {tag["Key"]: tag["Value"] for tag in spec["Tags"]}
        for spec in launch(resources, template)["TagSpecifications"]
    }


def test_the_logical_ids_are_unchanged(queue: Resources, full_queue: Resources) -> None:
    assert set(queue) == LOGICAL_IDS
    assert set(full_queue) == LOGICAL_IDS | {"QueueSecretsKey", "SecretsOwnersPolicy"}


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_metadata_is_closed_to_containers_and_old_clients(queue: Resources, template: str) -> None:
    assert launch(queue, template)["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": "disabled",
    }


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_power_off_terminates_the_instance_and_recovery_is_off(
    queue: Resources, template: str
) -> None:
    data = launch(queue, template)
    assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert data["MaintenanceOptions"] == {"AutoRecovery": "disabled"}
    assert "KeyName" not in data


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_instances_start_with_the_bootstrap_profile(queue: Resources, template: str) -> None:
    profile = launch(queue, template)["IamInstanceProfile"]["Arn"]
    assert profile.startswith(f"{IAM}:instance-profile/mayfly/acme/bootstrap/linux/")


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_disks_are_encrypted_and_deleted_with_the_instance(queue: Resources, template: str) -> None:
    (device,) = launch(queue, template)["BlockDeviceMappings"]
    assert device["DeviceName"] == "/dev/xvda"
    expected = {"VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    # A volume without a named key has the account's default key, which may be a customer's.
    assert device["Ebs"] == expected | {"VolumeSize": "50", "KmsKeyId": "alias/aws/ebs"}


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_the_security_group_has_no_ingress(queue: Resources, template: str) -> None:
    group = queue["InstanceSecurityGroup"]["Properties"]
    assert "SecurityGroupIngress" not in group
    (interface,) = launch(queue, template)["NetworkInterfaces"]
    assert interface["Groups"] == ["InstanceSecurityGroup.GroupId"]
    assert interface["AssociatePublicIpAddress"] == "false"


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_templates_are_found_by_their_tags(queue: Resources, template: str) -> None:
    (spec,) = queue[template]["Properties"]["TagSpecifications"]
    assert spec["ResourceType"] == "launch-template"
    assert {"Key": "mayfly-stack", "Value": "acme"} in spec["Tags"]
    assert {"Key": "mayfly-queue", "Value": "linux"} in spec["Tags"]


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_templates_set_extra_tags_and_leave_mayflys_tags_on_instances_to_the_launch(
    full_queue: Resources, queue: Resources, template: str
) -> None:
    own = {"mayfly-stack": "acme", "mayfly-queue": "linux"}
    extra = {"team": "ci", "cost-centre": "42"}
    assert tags(queue, template) == {"network-interface": own}
    assert tags(full_queue, template) == {
        "instance": extra,
        "volume": extra,
        "network-interface": own,
    }


def test_options_reach_the_launch_templates(full_queue: Resources) -> None:
    data = launch(full_queue, "LaunchTemplateArm64")
    keys = {
        launch(full_queue, template)["BlockDeviceMappings"][0]["Ebs"]["KmsKeyId"]
        for template in TEMPLATES.values()
    }
    assert keys == {"arn:aws:kms:eu-west-1:123456789012:key/1"}
    assert data["ImageId"] == "ami-0aaaaaaaaaaaaaaaa"
    assert launch(full_queue, "LaunchTemplateX8664")["ImageId"] == "ami-0123456789abcdef0"
    (interface,) = data["NetworkInterfaces"]
    assert interface["Groups"] == ["InstanceSecurityGroup.GroupId", "sg-1", "sg-2"]
    assert interface["AssociatePublicIpAddress"] == "true"


def test_options_reach_the_roles(full_queue: Resources, queue: Resources) -> None:
    bootstrap, sandbox = (full_queue[f"{r}Role"]["Properties"] for r in ("Bootstrap", "Sandbox"))
    assert bootstrap["ManagedPolicyArns"] == ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    assert [arn[-1] for arn in sandbox["ManagedPolicyArns"]] == ["a", "b"]
    assert bootstrap["PermissionsBoundary"] == sandbox["PermissionsBoundary"]
    assert sandbox["RoleName"] == "linux-jobs"
    assert queue["SandboxRole"]["Properties"]["RoleName"] == "acme-linux-sandbox"
    assert "ManagedPolicyArns" not in queue["BootstrapRole"]["Properties"]


@pytest.mark.parametrize("kind", ["Bootstrap", "Sandbox"])
def test_roles_and_profiles_carry_the_queue_in_their_path(queue: Resources, kind: str) -> None:
    path = f"/mayfly/acme/{kind.lower()}/linux/"
    assert queue[f"{kind}Role"]["Properties"]["Path"] == path
    assert queue[f"{kind}Profile"]["Properties"]["Path"] == path
    assert queue[f"{kind}Profile"]["Properties"]["Roles"] == [f"{kind}Role"]


def test_the_two_roles_share_no_policy_name(queue: Resources) -> None:
    names = [
        {policy["PolicyName"] for policy in queue[f"{kind}Role"]["Properties"]["Policies"]}
        for kind in ("Bootstrap", "Sandbox")
    ]
    assert not names[0] & names[1]


@pytest.mark.parametrize("kind", ["Bootstrap", "Sandbox"])
def test_inline_policies_fit_into_a_role_with_the_longest_names(
    queue_template: dict[str, Any], queue_parameters: dict[str, str], kind: str
) -> None:
    """IAM limits all inline policies of a role together to 10,240 characters without blanks."""
    stack = "s" * 51
    names = {
        "ControlStack": stack,
        "QueueKey": "q" * 100,
        "SandboxRoleName": "r" * 64,
        "ScriptPrefix": f"{'b' * 63}/{'p' * 200}/",
        "SecretsPath": f"/{'s' * (LONGEST_SECRETS_PATH - 1)}",
        "SecretsKey": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mrk-{'0' * 32}",
        "JobRolePath": f"/{'j' * (LONGEST_ROLE_PATH - 2)}/",
    }
    stored = {
        f"/mayfly-infra/{stack}/token-parameter": "/" + "t" * 255,
        f"/mayfly-infra/{stack}/token-key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mrk-{'0' * 32}",
    }
    deployed = Deployment(queue_template, "n" * 128, queue_parameters | names, stored)
    policies = deployed.resources[f"{kind}Role"]["Properties"]["Policies"]
    text = "".join(json.dumps(p["PolicyDocument"], separators=(",", ":")) for p in policies)
    longest = text.replace("arn:aws:", "arn:aws-us-gov:").replace(REGION, "ap-southeast-99")
    assert len(longest) <= 10_240


def test_longer_names_than_the_policies_have_room_for_are_refused(
    queue_template: dict[str, Any], control_template: dict[str, Any]
) -> None:
    prefix = queue_template["Parameters"]["ScriptPrefix"]["AllowedPattern"]
    token = control_template["Parameters"]["TokenParameter"]["AllowedPattern"]
    assert re.fullmatch(prefix, f"bucket/{'p' * 200}/")
    assert not re.fullmatch(prefix, f"bucket/{'p' * 201}/")
    assert re.fullmatch(token, "/" + "t" * 255)
    assert not re.fullmatch(token, "/" + "t" * 256)


@pytest.mark.parametrize("path", FOLDERS)
def test_the_stack_takes_the_folders_that_the_control_plane_takes(
    queue_template: dict[str, Any], path: str
) -> None:
    pattern = queue_template["Parameters"]["SecretsPath"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, path)) is (why_no_secrets_path(path) == "")


@pytest.mark.parametrize("path", ROLE_PATHS)
def test_the_stack_takes_the_paths_of_roles_that_the_control_plane_takes(
    queue_template: dict[str, Any], path: str
) -> None:
    pattern = queue_template["Parameters"]["JobRolePath"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, path)) is (why_no_job_role_path(path) == "")


@pytest.mark.parametrize("parameter", ["SecretsPath", "JobRolePath", "SecretsKey"])
def test_a_queue_may_have_neither_secrets_nor_roles(
    queue_template: dict[str, Any], parameter: str
) -> None:
    declared = queue_template["Parameters"][parameter]
    assert declared["Default"] == ""
    assert re.fullmatch(declared["AllowedPattern"], "")


@pytest.mark.parametrize(
    "logical_id", ["BootstrapRole", "SandboxRole", "InstanceSecurityGroup", *ALARMS]
)
def test_what_can_be_tagged_carries_the_stack_and_the_queue(
    queue: Resources, logical_id: str
) -> None:
    """The roles' Denies hold for whatever carries the tag of a stack."""
    given = {each["Key"]: each["Value"] for each in queue[logical_id]["Properties"]["Tags"]}
    assert given == {"mayfly-stack": "acme", "mayfly-queue": "linux"}


def test_the_published_parameter_holds_everything_that_the_control_plane_needs(
    queue: Resources,
) -> None:
    parameter = queue["Published"]["Properties"]
    assert parameter["Name"] == "/mayfly-infra/acme/queues/linux"
    assert parameter["Type"] == "String"
    assert parameter["Tags"] == {"mayfly-stack": "acme", "mayfly-queue": "linux"}
    role = f"{IAM}:role/mayfly/acme"
    assert json.loads(parameter["Value"]) == {
        "protocol": 1,
        "queue": "linux",
        "templates": {
            name: {"id": f"lt-{template.encode().hex()}", "version": "1"}
            for name, template in TEMPLATES.items()
        },
        "bootstrap_profile": f"{IAM}:instance-profile/mayfly/acme/bootstrap/linux/BootstrapProfile",
        "sandbox_profile": f"{IAM}:instance-profile/mayfly/acme/sandbox/linux/SandboxProfile",
        "bootstrap_role": f"{role}/bootstrap/linux/BootstrapRole",
        "sandbox_role": f"{role}/sandbox/linux/acme-linux-sandbox",
        "bootstrap_role_id": "AROABOOTSTRAPROLEXXXX",
        "sandbox_role_id": "AROASANDBOXROLEXXXXXX",
        "subnets": ["subnet-1", "subnet-2"],
        "script_prefix": "",
        "stack": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/acme-linux/{STACK_UUID}",
        "root_volume_gib": 50,
        "secrets_path": "",
        "secrets_key": "",
        "job_role_path": "",
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", ""),
        ("own", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/QueueSecretsKey"),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"),
    ],
)
def test_the_stack_publishes_what_jobs_may_be_given(
    queue_template: dict[str, Any],
    queue_parameters: dict[str, str],
    stored: dict[str, str],
    given: str,
    told: str,
) -> None:
    options = {"SecretsPath": "/vendors/ci", "SecretsKey": given, "JobRolePath": "/ci/"}
    deployed = Deployment(queue_template, "acme-linux", queue_parameters | options, stored)
    text = deployed.resources["Published"]["Properties"]["Value"]
    infra = Infra.parse("linux", "acme", text.replace("lt-4", "lt-0"))
    assert (infra.secrets_path, infra.secrets_key, infra.job_role_path) == (
        "/vendors/ci",
        told,
        "/ci/",
    )
