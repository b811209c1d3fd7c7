"""Rights of instances, with and without policies that an operator attaches to their roles."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Request, Statement, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION

Resources = dict[str, dict[str, Any]]
Context = dict[str, Any]

KINDS = ("Bootstrap", "Sandbox")
ADMINISTRATOR: list[Statement] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
MAILBOX = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/acme-mailbox"
FLEET = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/acme-fleet"
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
IAM = f"arn:aws:iam::{ACCOUNT}"
SSM = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}"
TOKEN = f"{SSM}/buildkite/mayfly/agent-token"

ROW = "AROA1:i-0a"
UPDATE: Context = {
    "dynamodb:LeadingKeys": [ROW],
    "dynamodb:Attributes": ["key", "report"],
    "dynamodb:ReturnValues": "NONE",
}
READ: Context = {"dynamodb:LeadingKeys": [ROW]}


def role_context(kind: str) -> Context:
    """Context keys that AWS adds to every request with an instance's role."""
    path = "bootstrap/linux/R" if kind == "Bootstrap" else "sandbox/linux/acme-linux-sandbox"
    return {"aws:userid": ROW, "aws:PrincipalArn": f"{IAM}:role/mayfly/acme/{path}"}


def role_statements(queue: Resources, kind: str) -> list[Statement]:
    policies = queue[f"{kind}Role"]["Properties"]["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def without(context: Context, *keys: str) -> Context:
    return {key: value for key, value in context.items() if key not in keys}


MAILBOX_CASES: list[tuple[tuple[str, ...], str, Context]] = [
    # kinds of role that may · action · context
    (KINDS, "UpdateItem", UPDATE),
    (KINDS, "UpdateItem", without(UPDATE, "dynamodb:ReturnValues")),
    (KINDS, "UpdateItem", UPDATE | {"dynamodb:Attributes": ["report"]}),
    ((), "UpdateItem", UPDATE | {"dynamodb:LeadingKeys": ["AROA1:i-0b"]}),
    ((), "UpdateItem", UPDATE | {"dynamodb:LeadingKeys": [ROW, "AROA1:i-0b"]}),
    ((), "UpdateItem", UPDATE | {"dynamodb:Attributes": ["key", "report", "assignment"]}),
    ((), "UpdateItem", UPDATE | {"dynamodb:Attributes": ["expires"]}),
    *(
        ((), "UpdateItem", UPDATE | {"dynamodb:ReturnValues": values})
        for values in ("ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
    ),
    ((), "UpdateItem", without(UPDATE, "dynamodb:LeadingKeys")),
    ((), "UpdateItem", without(UPDATE, "dynamodb:Attributes")),
    (("Sandbox",), "GetItem", READ),
    ((), "GetItem", {"dynamodb:LeadingKeys": ["AROA2:i-0a"]}),
    ((), "GetItem", {}),
    *(
        ((), action, UPDATE)
        for action in (
            "BatchGetItem",
            "BatchWriteItem",
            "ConditionCheckItem",
            "DeleteItem",
            "PartiQLSelect",
            "PartiQLUpdate",
            "PutItem",
            "Query",
            "Scan",
        )
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", [[], ADMINISTRATOR], ids=["alone", "administrator"])
@pytest.mark.parametrize(("holders", "action", "context"), MAILBOX_CASES)
def test_mailbox_rights_are_exact(
    queue: Resources,
    kind: str,
    operator: list[Statement],
    holders: tuple[str, ...],
    action: str,
    context: Context,
) -> None:
    request = Request(f"dynamodb:{action}", MAILBOX, role_context(kind) | context)
    decision = decide(request, role_statements(queue, kind), operator)
    assert decision.allowed is (kind in holders)


OURS: Context = {"aws:ResourceTag/mayfly-stack": "acme"}
INSTANCE = f"{EC2}:instance/i-0b"
BYPASS_CASES = [
    ("dynamodb:Query", f"{FLEET}/index/open", {}),
    ("dynamodb:GetItem", FLEET, {}),
    ("dynamodb:GetRecords", f"{MAILBOX}/stream/2026", {}),
    ("ec2:ReplaceIamInstanceProfileAssociation", INSTANCE, {}),
    ("ec2:AssociateIamInstanceProfile", INSTANCE, {}),
    ("ec2:DisassociateIamInstanceProfile", INSTANCE, {}),
    *(
        (action, INSTANCE, OURS)
        for action in (
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:ModifyInstanceAttribute",
            "ec2:ModifyInstanceMetadataOptions",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
        )
    ),
    ("ec2:CreateTags", f"{EC2}:instance/i-foreign", {"aws:TagKeys": ["Name", "mayfly-stack"]}),
    ("iam:PassRole", f"{IAM}:role/mayfly/acme/bootstrap/linux/R", {}),
    ("iam:AttachRolePolicy", f"{IAM}:role/mayfly/acme/sandbox/linux/R", {}),
    ("iam:AddRoleToInstanceProfile", f"{IAM}:instance-profile/mayfly/acme/sandbox/linux/P", {}),
    ("iam:CreatePolicyVersion", f"{IAM}:policy/mayfly/acme/people/P", {}),
    ("sts:AssumeRole", f"{IAM}:role/mayfly/acme/functions/R", {}),
    ("ssm:GetParameter", TOKEN, {}),
    ("ssm:GetParameterHistory", TOKEN, {}),
    ("kms:Decrypt", "arn:aws:kms:x:1:key/1", {"kms:EncryptionContext:PARAMETER_ARN": TOKEN}),
    ("ssm:PutParameter", f"{SSM}/mayfly/acme/queues/linux/policy/rules/all", {}),
    ("ssm:PutParameter", f"{SSM}/mayfly-infra/acme/queues/linux", {}),
    ("ssm:GetParametersByPath", f"{SSM}/mayfly/acme", {}),
    ("ssm:GetParametersByPath", f"{SSM}/mayfly-infra/acme/", {}),
    ("lambda:InvokeFunction", f"{LAMBDA}:function:acme-dispatch", {}),
    ("lambda:UpdateFunctionCode", f"{LAMBDA}:function:acme-reap:1", {}),
    (
        "cloudformation:UpdateStack",
        f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/acme/1",
        {},
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("action", "resource", "context"), BYPASS_CASES)
def test_no_attached_policy_allows_a_bypass_of_the_sandbox_proof(
    queue: Resources, kind: str, action: str, resource: str, context: Context
) -> None:
    request = Request(action, resource, role_context(kind) | context)
    assert not decide(request, role_statements(queue, kind), ADMINISTRATOR).allowed


@pytest.mark.parametrize("kind", KINDS)
def test_attached_policies_work_for_resources_that_are_not_mayflys(
    queue: Resources, kind: str
) -> None:
    for action, resource in [
        ("s3:GetObject", "arn:aws:s3:::acme/key"),
        ("ecr:GetAuthorizationToken", "*"),
        ("ec2:DescribeInstances", "*"),
        ("ec2:CreateTags", f"{EC2}:volume/vol-1"),
        ("ssm:GetParameter", f"{SSM}/acme/npm-token"),
        ("sts:AssumeRole", "arn:aws:iam::210987654321:role/deploy"),
        ("kms:Decrypt", "arn:aws:kms:x:1:key/1"),
        ("dynamodb:PutItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/terraform-locks"),
        ("lambda:InvokeFunction", f"{LAMBDA}:function:shop"),
    ]:
        request = Request(action, resource, role_context(kind))
        assert decide(request, role_statements(queue, kind), ADMINISTRATOR).allowed, action


def test_bootstrap_may_read_only_what_a_boot_needs(full_queue: Resources) -> None:
    statements = role_statements(full_queue, "Bootstrap")
    for allowed, action, resource in [
        (True, "ssm:GetParameter", f"{SSM}/mayfly-infra/acme/bundle"),
        (True, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/bootstrap/script"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/other/bootstrap/script"),
        (True, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/debug/keep-failed-minutes"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/other/debug/keep-failed-minutes"),
        (True, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/agent/config"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/other/agent/config"),
        (True, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/job/root"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/other/job/root"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/debug/other"),
        (False, "ssm:PutParameter", f"{SSM}/mayfly/acme/queues/linux/debug/keep-failed-minutes"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly-infra/acme/queues/linux"),
        (True, "lambda:GetLayerVersion", f"{LAMBDA}:layer:acme-instance:7"),
        (False, "lambda:GetLayerVersion", f"{LAMBDA}:layer:acme-mayfly:7"),
        (True, "s3:GetObject", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh"),
        (False, "s3:GetObject", "arn:aws:s3:::acme-ci/secrets"),
        (False, "s3:PutObject", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh"),
    ]:
        request = Request(action, resource, role_context("Bootstrap"))
        assert decide(request, statements).allowed is allowed, resource


def test_the_sandbox_role_alone_may_use_only_the_mailbox(full_queue: Resources) -> None:
    statements = role_statements(full_queue, "Sandbox")
    allowed = [s for s in statements if s["Effect"] == "Allow"]
    assert {s["Action"] for s in allowed} == {"dynamodb:UpdateItem", "dynamodb:GetItem"}
    assert {s["Resource"] for s in allowed} == {MAILBOX}


@pytest.mark.parametrize("kind", KINDS)
def test_only_ec2_may_assume_the_roles(queue: Resources, kind: str) -> None:
    """aws:userid contains the session name, which any other principal could choose."""
    (trust,) = queue[f"{kind}Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "ec2.amazonaws.com"},
    }


def test_a_queue_without_script_prefix_reads_no_bucket(queue: Resources) -> None:
    request = Request("s3:GetObject", "arn:aws:s3:::any/thing", role_context("Bootstrap"))
    assert not decide(request, role_statements(queue, "Bootstrap")).allowed
