"""The lab's extract of the service authorization reference."""

from __future__ import annotations

import pytest

from build.authorization import EXTRACT, extract
from mayfly_lab.aws.front.iam.authorization import arn, has_key, kept, known, types


def test_the_extract_is_what_the_reference_says_now() -> None:
    assert EXTRACT.read_text() == extract(), "run python -m build.authorization"


@pytest.mark.parametrize(
    ("action", "kind", "key", "expected"),
    [
        ("ec2:TerminateInstances", "instance", "aws:ResourceTag/mayfly-stack", True),
        ("ec2:TerminateInstances", "instance", "AWS:RESOURCETAG/any", True),
        ("ec2:TerminateInstances", "instance", "ec2:NewInstanceProfile", False),
        ("ec2:ReplaceIamInstanceProfileAssociation", "instance", "ec2:NewInstanceProfile", True),
        ("ec2:RunInstances", "instance", "aws:RequestTag/x", True),
        ("ec2:RunInstances", "instance", "aws:ResourceTag/x", False),
        ("ec2:RunInstances", "spot-instances-request", "ec2:LaunchTemplate", False),
        ("ec2:CreateTags", "volume", "ec2:CreateAction", True),
        ("ec2:DescribeInstances", "", "aws:ResourceTag/mayfly-stack", False),
        ("dynamodb:UpdateItem", "table", "dynamodb:LeadingKeys", True),
        ("dynamodb:UpdateItem", "table", "dynamodb:Select", False),
        ("dynamodb:UpdateItem", "table", "aws:ResourceTag/x", True),
        ("dynamodb:GetRecords", "stream", "dynamodb:LeadingKeys", False),
        ("ssm:GetParameter", "parameter", "aws:ResourceTag/x", True),
        ("ssm:GetParametersByPath", "parameter", "ssm:Recursive", True),
        ("kms:Decrypt", "key", "kms:EncryptionContext:PARAMETER_ARN", True),
        ("kms:Decrypt", "key", "kms:ViaService", True),
        ("iam:PassRole", "role", "iam:PassedToService", True),
        ("s3:GetObject", "object", "ec2:SourceInstanceARN", True),
        ("s3:GetObject", "object", "lambda:SourceFunctionArn", True),
        ("s3:GetObject", "object", "ec2:InstanceProfile", False),
        ("sqs:SendMessage", "queue", "aws:userid", True),
        ("sqs:SendMessage", "queue", "aws:TagKeys", False),
    ],
)
def test_an_action_has_a_condition_key_on_a_resource_type(
    action: str, kind: str, key: str, expected: bool
) -> None:
    assert has_key(action, kind, key) is expected
    assert kept(action, kind, {key: "x"}) == ({key: "x"} if expected else {})


def test_the_reference_has_the_types_and_arns_of_an_action() -> None:
    assert types("ec2:AttachVolume") == {"instance": True, "volume": True}
    assert types("ec2:DescribeInstances") == {}
    assert known("ec2:DescribeInstances")
    assert not known("ec2:DescribeInstancez")
    assert arn("eu-west-1", "ec2", "image", "ami-1") == "arn:aws:ec2:eu-west-1::image/ami-1"
    assert arn("eu-west-1", "lambda", "layerVersion", "l", "3").endswith(":layer:l:3")
