"""Each function has exactly its rights."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Request, Statement, as_list, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment
from tests.template.function_requests import (
    ASSIGNMENT,
    CASES,
    KEY,
    MAILBOX,
    PARAMETER,
    SSM,
)

Resources = dict[str, dict[str, Any]]

LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
RECORDS = {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"}
ACTIONS = {
    "dispatch": LOG
    | RECORDS
    | {"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:UpdateItem"}
    | {"ssm:GetParameter", "ssm:GetParameters", "sqs:SendMessage", "kms:Decrypt"},
    "provision": LOG
    | RECORDS
    | {"dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"}
    | {"ssm:GetParameterHistory", "ssm:GetParametersByPath"}
    | {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"}
    | {"ec2:CreateFleet", "ec2:CreateTags", "ec2:DescribeInstances", "ec2:DescribeSubnets"}
    | {"ec2:DescribeIamInstanceProfileAssociations", "ec2:DescribeSpotPriceHistory"}
    | {"ec2:RunInstances", "ec2:StartInstances", "ec2:StopInstances", "pricing:GetProducts"}
    | {"iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy"}
    | {"iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:PassRole"}
    | {"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey"}
    | {"kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"},
    "sandbox": LOG
    | RECORDS
    | {"dynamodb:BatchGetItem", "dynamodb:UpdateItem", "sqs:SendMessage", "iam:PassRole"}
    | {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
    | {"dynamodb:ListStreams", "ec2:DescribeIamInstanceProfileAssociations"}
    | {"ec2:ReplaceIamInstanceProfileAssociation"},
    "reap": LOG
    | RECORDS
    | {"dynamodb:DeleteItem", "dynamodb:UpdateItem", "sqs:SendMessage"}
    | {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
    | {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "ec2:DescribeInstances"}
    | {"ec2:GetConsoleOutput", "ec2:TerminateInstances"},
}
WITHOUT_RESOURCES = {
    "dynamodb:ListStreams",
    "ec2:DescribeIamInstanceProfileAssociations",
    "ec2:DescribeInstances",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
    "pricing:GetProducts",
}
"""Actions without a resource type in IAM, which accepts only "*" for them."""


def role(control: Resources, function: str) -> dict[str, Any]:
    properties: dict[str, Any] = control[f"{function.capitalize()}FunctionRole"]["Properties"]
    return properties


def statements(control: Resources, function: str) -> list[Statement]:
    (policy,) = role(control, function)["Policies"]
    found: list[Statement] = policy["PolicyDocument"]["Statement"]
    return found


@pytest.mark.parametrize("function", ACTIONS)
def test_function_roles_have_no_managed_policy(control: Resources, function: str) -> None:
    properties = role(control, function)
    assert "ManagedPolicyArns" not in properties
    assert properties["Path"] == "/mayfly/acme/functions/"
    (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize("function", ACTIONS)
def test_each_function_has_exactly_its_actions(control: Resources, function: str) -> None:
    actions = {a for s in statements(control, function) for a in as_list(s["Action"])}
    assert actions == ACTIONS[function]


@pytest.mark.parametrize("function", ACTIONS)
def test_every_resource_is_named(control: Resources, function: str) -> None:
    for statement in statements(control, function):
        if statement["Effect"] == "Allow" and "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= WITHOUT_RESOURCES


@pytest.mark.parametrize(("function", "allowed", "action", "resource", "context"), CASES)
def test_each_function_may_do_exactly_the_requests_of_the_table(
    control: Resources,
    function: str,
    allowed: bool,
    action: str,
    resource: str,
    context: dict[str, Any],
) -> None:
    request = Request(action, resource, context)
    assert decide(request, statements(control, function)).allowed is allowed


INTERFACES = {
    f"ec2:{action}"
    for action in (
        *("AssignPrivateIpAddresses", "CreateNetworkInterface", "DeleteNetworkInterface"),
        *("DescribeNetworkInterfaces", "DescribeSubnets", "UnassignPrivateIpAddresses"),
    )
}


def test_lambda_but_not_the_code_may_make_network_interfaces_for_dispatch_in_subnets(
    control: Resources, control_template: dict[str, Any]
) -> None:
    given = {"DispatchSubnets": "subnet-0a", "DispatchSecurityGroups": "sg-0a"}
    deployed = Deployment(control_template, "acme", given).resources
    code = {"lambda:SourceFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:acme-dispatch"}
    for action in INTERFACES:
        own, codes = Request(action, "*", {}), Request(action, "*", code)
        assert decide(own, statements(deployed, "dispatch")).allowed
        assert not decide(codes, statements(deployed, "dispatch")).allowed
        assert not decide(own, statements(control, "dispatch")).allowed
    for function in ACTIONS.keys() - {"dispatch"}:
        assert statements(deployed, function) == statements_without_queue(
            control_template, function
        )


def test_dispatch_decrypts_the_token_with_an_own_key_and_no_other_parameter(
    control_template: dict[str, Any],
) -> None:
    deployed = Deployment(control_template, "acme", {"TokenKmsKey": KEY}).resources
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    token = f"{SSM}/buildkite/mayfly/agent-token"
    for name, allowed in ((token, True), (f"{SSM}/buildkite/secret/repository", False)):
        request = Request("kms:Decrypt", KEY, {PARAMETER: name})
        assert decide(request, statements(deployed, "dispatch")).allowed is allowed
        # As with the key aws/ssm, whose policy allows every reader of a parameter.
        assert decide(request, statements(deployed, "dispatch"), everything).allowed is allowed
    # Lambda decrypts the function's environment as the function.
    environment = Request("kms:Decrypt", KEY, {"kms:EncryptionContext:aws:lambda:FunctionArn": "f"})
    assert decide(environment, statements(deployed, "dispatch"), everything).allowed


def statements_without_queue(template: dict[str, Any], function: str) -> list[Statement]:
    return statements(Deployment(template, "acme", {}).resources, function)


def test_only_dispatch_writes_assignments_and_reads_the_token(control: Resources) -> None:
    write = Request("dynamodb:UpdateItem", MAILBOX, ASSIGNMENT)
    read = Request("ssm:GetParameter", f"{SSM}/buildkite/mayfly/agent-token")
    for request in (write, read):
        holders = {f for f in ACTIONS if decide(request, statements(control, f)).allowed}
        assert holders == {"dispatch"}


@pytest.mark.parametrize("action", ["GetItem", "BatchGetItem", "Query", "Scan", "GetRecords"])
def test_no_function_reads_an_assignment(control: Resources, action: str) -> None:
    """A failing condition could return a row to its writer, `dispatch`, which made the token."""
    for context in ({}, ASSIGNMENT, {"dynamodb:Attributes": ["assignment"]}):
        request = Request(f"dynamodb:{action}", MAILBOX, context)
        assert not [f for f in ACTIONS if decide(request, statements(control, f)).allowed]
