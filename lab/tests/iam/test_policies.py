"""Every statement of the deployed policies can hold, by the service authorization data."""

from __future__ import annotations

from typing import Any

import pytest

from iam import deployed
from iam.conftest import Tell
from iam.reference import findings
from iam.simulator import Simulator
from mayfly.iam.evaluation import Statement

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/acme-fleet"
INSTANCE = "arn:aws:ec2:eu-west-1:123456789012:instance/*"
ISSUER = "condition key agent.buildkite.com:"
"""Keys of an issuer of tokens begin with its address (IAM user guide, "Available keys for AWS OIDC
federation"), so the service authorization reference cannot name them."""
VOID: list[tuple[str, dict[str, Any], str]] = [
    ("ec2:RunInstancez", {}, "there is no action ec2:RunInstancez"),
    ("sqz:SendMessage", {}, "there is no action sqz:SendMessage"),
    (
        "ec2:StopInstances",
        {"Condition": {"StringEqualz": {"ec2:InstanceType": "x"}}},
        "there is no operator StringEqualz",
    ),
    (
        "ec2:StopInstances",
        {"Condition": {"StringEquals": {"ec2:InstanceKind": "x"}}},
        "there is no condition key ec2:InstanceKind",
    ),
    (
        "lambda:InvokeFunction",
        {"Resource": "arn:aws:lambda:eu-west-1:123456789012:*:acme-*"},
        "arn:aws:lambda:eu-west-1:123456789012:*:acme-* has a wildcard in the type",
    ),
    (
        "iam:GetUser",
        {"Resource": "arn:aws:iam::123456789012:u*"},
        "arn:aws:iam::123456789012:u* has a wildcard in the type",
    ),
    (
        "lambda:InvokeFunction",
        {"Resource": "arn:aws:lambda:*:function"},
        "arn:aws:lambda:*:function is not an ARN of six parts",
    ),
    ("dynamodb:GetItem", {"Resource": INSTANCE}, "dynamodb:GetItem has no resource"),
    ("ec2:DescribeInstances", {"Resource": INSTANCE}, "ec2:DescribeInstances has no resource"),
    (
        "ec2:DescribeInstances",
        {"Condition": {"StringEquals": {"aws:ResourceTag/mayfly-stack": "acme"}}},
        "ec2:DescribeInstances does not have the condition key aws:ResourceTag/mayfly-stack",
    ),
    (
        "ec2:TerminateInstances",
        {"Condition": {"ArnEquals": {"ec2:NewInstanceProfile": "arn:aws:iam::1:x/y"}}},
        "ec2:TerminateInstances does not have the condition key ec2:NewInstanceProfile",
    ),
    (
        "dynamodb:GetItem",
        {"Resource": TABLE, "Condition": {"StringEquals": {"dynamodb:LeadingKeys": "x"}}},
        "StringEquals needs ForAllValues or ForAnyValue",
    ),
    (
        "dynamodb:GetItem",
        {
            "Resource": TABLE,
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "x"}},
        },
        "ForAllValues:StringEquals holds for a request without dynamodb:LeadingKeys",
    ),
]


@pytest.mark.parametrize(("action", "more", "expected"), VOID)
def test_a_void_statement_is_found(
    simulator: Simulator, action: str, more: dict[str, Any], expected: str
) -> None:
    statement: Statement = {"Effect": "Allow", "Action": action, "Resource": "*", **more}
    found = list(findings(statement, simulator))
    assert [each for each in found if each.startswith(expected)], found


def test_no_statement_of_a_deployed_policy_is_void(simulator: Simulator, tell: Tell) -> None:
    policies = [*deployed.policies(), *deployed.of_options()]
    found = [
        f"{policy.name}, {statement.get('Sid')}: {each}"
        for policy in policies
        for statement in policy.statements
        for each in findings(statement, simulator)
        if ISSUER not in each
    ]
    assert not found, "\n".join(found)
    number = sum(len(policy.statements) for policy in policies)
    tell(f"deployed policies: {number} statements of {len(policies)} policies, none void")
