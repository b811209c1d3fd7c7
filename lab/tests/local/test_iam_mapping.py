"""Calls as IAM's requests: actions, resources and condition keys."""

from __future__ import annotations

from typing import Any

import pytest

from local.deployed_account import Account
from local.iam_calls import report, row
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.iam.mapping import needs_of
from mayfly_lab.aws.front.iam.need import Need, UnmappedCallError

EC2 = f"arn:aws:ec2:us-east-1:{ACCOUNT}"
TABLES = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table"
PARAMETERS = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter"
TOKEN = "/buildkite/mayfly/agent-token"


def needs(account: Account, action: str, parameters: dict[str, Any]) -> list[Need]:
    service, _, operation = action.partition(":")
    facts = account.lab.aws.iam.facts
    return list(needs_of(Call(service, operation, parameters), facts))


def shown(found: list[Need]) -> list[tuple[str, str]]:
    return [(each.action, each.resource) for each in found]


@pytest.mark.parametrize(
    ("action", "parameters", "expected"),
    [
        ("ec2:DescribeInstances", {"InstanceIds": ["i-1"]}, [("ec2:DescribeInstances", "*")]),
        (
            "ec2:AttachVolume",
            {"InstanceId": "i-1", "VolumeId": "vol-1", "Device": "/dev/sdf"},
            [
                ("ec2:AttachVolume", f"{EC2}:instance/i-1"),
                ("ec2:AttachVolume", f"{EC2}:volume/vol-1"),
            ],
        ),
        (
            "ec2:CreateImage",
            {"InstanceId": "i-1", "Name": "n"},
            [
                ("ec2:CreateImage", f"{EC2}:instance/i-1"),
                ("ec2:CreateImage", "arn:aws:ec2:us-east-1::image/*"),
                ("ec2:CreateImage", "arn:aws:ec2:us-east-1::snapshot/*"),
            ],
        ),
        (
            "ec2:CreateReplaceRootVolumeTask",
            {"InstanceId": "i-1", "ImageId": "ami-1"},
            [
                ("ec2:CreateReplaceRootVolumeTask", f"{EC2}:instance/i-1"),
                ("ec2:CreateReplaceRootVolumeTask", "arn:aws:ec2:us-east-1::image/ami-1"),
                ("ec2:CreateReplaceRootVolumeTask", f"{EC2}:replace-root-volume-task/*"),
                ("ec2:CreateReplaceRootVolumeTask", f"{EC2}:volume/*"),
            ],
        ),
        (
            "dynamodb:ExportTableToPointInTime",
            {"TableArn": f"{TABLES}/t", "S3Bucket": "b"},
            [("dynamodb:ExportTableToPointInTime", f"{TABLES}/t")],
        ),
        (
            "s3:DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l", "VersionId": "1"}]}},
            [
                ("s3:DeleteObject", "arn:aws:s3:::b/k"),
                ("s3:DeleteObjectVersion", "arn:aws:s3:::b/l"),
            ],
        ),
        (
            "ssm:SendCommand",
            {"InstanceIds": ["i-1"], "DocumentName": "AWS-RunShellScript"},
            [
                ("ssm:SendCommand", f"{EC2}:instance/i-1"),
                ("ssm:SendCommand", f"arn:aws:ssm:us-east-1:{ACCOUNT}:document/AWS-RunShellScript"),
            ],
        ),
        (
            "ec2-instance-connect:SendSSHPublicKey",
            {"InstanceId": "i-1"},
            [("ec2-instance-connect:SendSSHPublicKey", f"{EC2}:instance/i-1")],
        ),
        (
            "ssm:GetParameter",
            {"Name": TOKEN, "WithDecryption": True},
            [
                ("ssm:GetParameter", f"{PARAMETERS}{TOKEN}"),
                ("kms:Decrypt", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/alias-aws-ssm"),
            ],
        ),
        ("ssm:GetParameter", {"Name": TOKEN}, [("ssm:GetParameter", f"{PARAMETERS}{TOKEN}")]),
        (
            "ssm:GetParametersByPath",
            {"Path": "/buildkite", "Recursive": True, "WithDecryption": True},
            [
                ("ssm:GetParametersByPath", f"{PARAMETERS}/buildkite"),
                ("kms:Decrypt", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/alias-aws-ssm"),
            ],
        ),
        (
            "ssm:GetParametersByPath",
            {"Path": "/buildkite", "WithDecryption": True},
            [("ssm:GetParametersByPath", f"{PARAMETERS}/buildkite")],
        ),
        (
            "dynamodb:Query",
            {"TableName": "mayfly-fleet", "IndexName": "open"},
            [("dynamodb:Query", f"{TABLES}/mayfly-fleet/index/open")],
        ),
        (
            "dynamodb:TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "a", "Item": {}}},
                    {"Delete": row("fleet", "k")},
                ]
            },
            [
                ("dynamodb:PutItem", f"{TABLES}/a"),
                ("dynamodb:DeleteItem", f"{TABLES}/mayfly-fleet"),
            ],
        ),
        (
            "dynamodb:BatchGetItem",
            {"RequestItems": {name: {"Keys": [{"k": {"S": "1"}}]} for name in ("a", "b")}},
            [("dynamodb:BatchGetItem", f"{TABLES}/a"), ("dynamodb:BatchGetItem", f"{TABLES}/b")],
        ),
        (
            "dynamodb:ExecuteStatement",
            {"Statement": 'UPDATE "mayfly-mailbox" SET report=1'},
            [("dynamodb:PartiQLUpdate", f"{TABLES}/mayfly-mailbox")],
        ),
        (
            "s3:CopyObject",
            {"Bucket": "b", "Key": "x/y", "CopySource": "from/k"},
            [("s3:GetObject", "arn:aws:s3:::from/k"), ("s3:PutObject", "arn:aws:s3:::b/x/y")],
        ),
        (
            "s3:GetObject",
            {"Bucket": "b", "Key": "k", "VersionId": "v"},
            [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
        ),
        ("s3:ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        (
            "lambda:GetLayerVersionByArn",
            {"Arn": "arn:aws:lambda:r:1:layer:l:3"},
            [("lambda:GetLayerVersion", "arn:aws:lambda:r:1:layer:l:3")],
        ),
        (
            "iam:AddRoleToInstanceProfile",
            {"RoleName": "none", "InstanceProfileName": "p"},
            [
                ("iam:AddRoleToInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/p"),
                ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/none"),
            ],
        ),
        (
            "iam:CreateRole",
            {"RoleName": "r", "Path": "/mayfly/x/"},
            [("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/mayfly/x/r")],
        ),
        (
            "monitoring:DescribeAlarms",
            {},
            [("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:*")],
        ),
    ],
)
def test_a_call_becomes_one_request_for_each_resource(
    account: Account, action: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert sorted(shown(needs(account, action, parameters))) == sorted(expected)


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("ec2:TerminateInstances", {"InstanceIds": []}),
        ("ec2:DescribeInstancez", {}),
        ("glue:GetTables", {}),
        ("s3:GetObject", {}),
        ("ssm:GetParameter", {}),
        ("dynamodb:GetItem", {}),
        ("dynamodb:ExecuteStatement", {"Statement": "EXPLAIN x"}),
        ("sqs:SendMessage", {}),
        ("lambda:Invoke", {}),
    ],
)
def test_a_call_that_the_mapping_does_not_know_raises(
    account: Account, action: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(UnmappedCallError):
        needs(account, action, parameters)


@pytest.mark.parametrize(
    ("action", "parameters", "expected"),
    [
        (
            "UpdateItem",
            report("k", ReturnValues="ALL_OLD"),
            {"LeadingKeys": ["k"], "Attributes": ["key", "report"], "ReturnValues": "ALL_OLD"},
        ),
        ("UpdateItem", report("k"), {"LeadingKeys": ["k"], "Attributes": ["key", "report"]}),
        (
            "GetItem",
            row("mailbox", "k"),
            {"LeadingKeys": ["k"], "Attributes": ["key"], "Select": "ALL_ATTRIBUTES"},
        ),
        (
            "GetItem",
            row("mailbox", "k", ProjectionExpression="report"),
            {
                "LeadingKeys": ["k"],
                "Attributes": ["key", "report"],
                "Select": "SPECIFIC_ATTRIBUTES",
            },
        ),
        ("Scan", {"TableName": "mayfly-mailbox"}, {"Select": "ALL_ATTRIBUTES"}),
        (
            "Query",
            {
                "TableName": "mayfly-fleet",
                "IndexName": "open",
                "KeyConditionExpression": "#q = :q",
                "ExpressionAttributeNames": {"#q": "open_queue"},
                "ExpressionAttributeValues": {":q": {"S": "first"}},
                "Select": "COUNT",
            },
            {"LeadingKeys": ["first"], "Attributes": ["open_queue"], "Select": "COUNT"},
        ),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Update": report("k")}]},
            {
                "LeadingKeys": ["k"],
                "Attributes": ["key", "report"],
                "EnclosingOperation": "TransactWriteItems",
            },
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"t": {"Keys": [{"k": {"S": each}} for each in "ab"]}}},
            {"LeadingKeys": ["a", "b"], "Attributes": ["k"], "Select": "ALL_ATTRIBUTES"},
        ),
    ],
)
def test_a_request_of_dynamodb_has_the_keys_of_its_rows(
    account: Account, action: str, parameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    [need] = needs(account, f"dynamodb:{action}", parameters)
    own = {
        name.partition(":")[2]: value
        for name, value in need.context.items()
        if name.startswith("dynamodb:")
    }
    assert own == expected


def test_the_implied_decryption_has_the_context_of_its_parameter(account: Account) -> None:
    decrypt = needs(account, "ssm:GetParameter", {"Name": TOKEN, "WithDecryption": True})[1]
    assert decrypt.context["kms:EncryptionContext:PARAMETER_ARN"] == f"{PARAMETERS}{TOKEN}"
    assert decrypt.context["kms:ViaService"] == "ssm.us-east-1.amazonaws.com"
    assert decrypt.context["aws:ViaAWSService"] == "true"


@pytest.fixture(scope="module")
def instance(account: Account) -> str:
    """An instance of the queue `first`, from its launch template."""
    template = account.deployed.queues["first"]["templates"]["x86_64"]
    answer = account.client("ec2").run_instances(
        LaunchTemplate={"LaunchTemplateId": template["id"], "Version": template["version"]},
        InstanceType="m7i.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "mayfly-stack", "Value": "mayfly"}]}
        ],
    )
    return str(answer["Instances"][0]["InstanceId"])


def test_a_replaced_profile_is_named_with_the_old_one_and_its_role_is_passed(
    account: Account, instance: str
) -> None:
    facts = account.deployed.queues["first"]
    found = account.client("ec2").describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [instance]}]
    )["IamInstanceProfileAssociations"][0]["AssociationId"]
    given = {"AssociationId": found, "IamInstanceProfile": {"Arn": facts["sandbox_profile"]}}
    replace, passed = needs(account, "ec2:ReplaceIamInstanceProfileAssociation", given)
    assert replace.resource == f"{EC2}:instance/{instance}"
    wanted = {
        "aws:ResourceTag/mayfly-stack": "mayfly",
        "ec2:InstanceID": instance,
        "ec2:InstanceProfile": facts["bootstrap_profile"],
        "ec2:InstanceType": "m7i.large",
        "ec2:MetadataHttpTokens": "required",
        "ec2:NewInstanceProfile": facts["sandbox_profile"],
    }
    assert {key: replace.context[key] for key in wanted} == wanted
    assert shown([passed]) == [("iam:PassRole", facts["sandbox_role"])]
    assert passed.context == {"iam:PassedToService": "ec2.amazonaws.com"}


def test_a_launch_needs_a_right_on_each_resource_its_tags_and_its_role(account: Account) -> None:
    facts = account.deployed.queues["first"]
    template = facts["templates"]["x86_64"]
    found = needs(
        account,
        "ec2:RunInstances",
        {
            "LaunchTemplate": {"LaunchTemplateId": template["id"], "Version": template["version"]},
            "ImageId": "ami-own",
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "Mayfly-Stack", "Value": "x"}]}
            ],
        },
    )
    by_kind = {each.kind: each for each in found if each.action == "ec2:RunInstances"}
    used = {"image", "instance", "launch-template", "network-interface", "security-group"}
    assert used | {"subnet", "volume"} == set(by_kind)
    own = f"{EC2}:launch-template/{template['id']}"
    assert {each.context["ec2:LaunchTemplate"] for each in by_kind.values()} == {own}
    from_template = {
        kind: each.context["ec2:IsLaunchTemplateResource"] for kind, each in by_kind.items()
    }
    assert from_template.pop("image") == "false"
    assert set(from_template.values()) == {"true"}
    instance = by_kind["instance"].context
    assert instance["aws:RequestTag/Mayfly-Stack"] == "x"
    assert instance["aws:TagKeys"] == ["Mayfly-Stack"]
    assert instance["ec2:InstanceProfile"] == facts["bootstrap_profile"]
    assert instance["ec2:MetadataHttpTokens"] == "required"
    rest = [each for each in found if each.action != "ec2:RunInstances"]
    assert {each.resource for each in rest if each.action == "ec2:CreateTags"} >= {
        f"{EC2}:instance/*"
    }
    assert {
        each.context["ec2:CreateAction"] for each in rest if each.action == "ec2:CreateTags"
    } == {"RunInstances"}
    assert shown(rest[-1:]) == [("iam:PassRole", facts["bootstrap_role"])]
