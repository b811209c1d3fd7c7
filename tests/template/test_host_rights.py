"""Rights of instances, with and without policies that an operator attaches to their roles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from mayfly.iam.evaluation import Request, Statement, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION

Resources = dict[str, dict[str, Any]]
Context = dict[str, Any]

KINDS = ("Bootstrap", "Sandbox")
ADMINISTRATOR: list[Statement] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
MANAGED = (
    "AdministratorAccess",
    "AmazonDynamoDBFullAccess",
    "AmazonEC2FullAccess",
    "AmazonS3FullAccess",
    "AmazonSSMFullAccess",
    "PowerUserAccess",
)
_POLICIES = json.loads(aws_managed_policies_data)
ATTACHED: dict[str, list[Statement]] = {
    "nothing": [],
    **{name: _POLICIES[name]["Document"]["Statement"] for name in MANAGED},
}
"""By name: the statements of what an operator attaches, from AWS's own policies."""
MAILBOX = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/acme-mailbox"
IAM = f"arn:aws:iam::{ACCOUNT}"
SSM = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}"

ROW = "AROA1:i-0a"
UPDATE: Context = {
    "dynamodb:LeadingKeys": [ROW],
    "dynamodb:Attributes": ["key", "report"],
    "dynamodb:ReturnValues": "NONE",
}
READ: Context = {"dynamodb:LeadingKeys": [ROW]}
TAGGED: Context = {"aws:ResourceTag/mayfly-stack": "acme"}
NOTICE: Context = {"dynamodb:LeadingKeys": [f"notice/{ROW}"]}


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
    (("Sandbox",), "GetItem", NOTICE),
    ((), "GetItem", {"dynamodb:LeadingKeys": ["AROA2:i-0a"]}),
    ((), "GetItem", {"dynamodb:LeadingKeys": ["notice/AROA2:i-0a"]}),
    ((), "GetItem", {"dynamodb:LeadingKeys": [f"notice/notice/{ROW}"]}),
    ((), "GetItem", {}),
    ((), "UpdateItem", UPDATE | NOTICE),
    ((), "UpdateItem", UPDATE | {"dynamodb:LeadingKeys": [ROW, f"notice/{ROW}"]}),
    ((), "DeleteItem", NOTICE),
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
@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize(("holders", "action", "context"), MAILBOX_CASES)
def test_mailbox_rights_are_exact(
    queue: Resources,
    kind: str,
    attached: str,
    holders: tuple[str, ...],
    action: str,
    context: Context,
) -> None:
    request = Request(f"dynamodb:{action}", MAILBOX, role_context(kind) | context)
    decision = decide(request, role_statements(queue, kind), ATTACHED[attached])
    assert decision.allowed is (kind in holders)


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
        (True, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/secrets/path"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/secrets/shared-ssh-keys"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/debug/other"),
        (False, "ssm:PutParameter", f"{SSM}/mayfly/acme/queues/linux/debug/keep-failed-minutes"),
        (False, "ssm:GetParameter", f"{SSM}/mayfly-infra/acme/queues/linux"),
        (True, "lambda:GetLayerVersion", f"{LAMBDA}:layer:acme-instance:7"),
        (False, "lambda:GetLayerVersion", f"{LAMBDA}:layer:acme-mayfly:7"),
        (True, "s3:GetObject", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh"),
        (True, "s3:GetObjectVersion", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh"),
        (False, "s3:GetObject", "arn:aws:s3:::acme-ci/secrets"),
        (False, "s3:PutObject", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh"),
    ]:
        request = Request(action, resource, role_context("Bootstrap"))
        assert decide(request, statements).allowed is allowed, resource


def test_the_sandbox_role_alone_may_use_only_the_mailbox(queue: Resources) -> None:
    statements = role_statements(queue, "Sandbox")
    allowed = [s for s in statements if s["Effect"] == "Allow"]
    assert {s["Action"] for s in allowed} == {"dynamodb:UpdateItem", "dynamodb:GetItem"}
    assert {s["Resource"] for s in allowed} == {MAILBOX}


def test_with_secrets_and_roles_the_sandbox_role_may_reach_these_besides(
    full_queue: Resources,
) -> None:
    allowed = [s for s in role_statements(full_queue, "Sandbox") if s["Effect"] == "Allow"]
    assert {s["Sid"] for s in allowed} - {"WriteReport", "ReadAssignment"} == {
        "AssumeJobRoles",
        "DecryptSecrets",
        "ReadSecrets",
    }


HOST_REQUESTS: list[tuple[str, str, str, Context]] = [
    # kind of role · action · resource · context
    ("Bootstrap", "ssm:GetParameter", f"{SSM}/mayfly-infra/acme/bundle", TAGGED),
    ("Bootstrap", "lambda:GetLayerVersion", f"{LAMBDA}:layer:acme-instance:7", {}),
    *(
        ("Bootstrap", "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/{name}", {})
        for name in (
            "agent/config",
            "bootstrap/script",
            "debug/keep-failed-minutes",
            "job/root",
            "secrets/path",
        )
    ),
    ("Bootstrap", "s3:GetObject", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh", TAGGED),
    ("Bootstrap", "s3:GetObjectVersion", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh", TAGGED),
    ("Bootstrap", "dynamodb:UpdateItem", MAILBOX, TAGGED | UPDATE),
    ("Sandbox", "dynamodb:UpdateItem", MAILBOX, TAGGED | UPDATE),
    ("Sandbox", "dynamodb:GetItem", MAILBOX, TAGGED | READ),
    ("Sandbox", "dynamodb:GetItem", MAILBOX, TAGGED | NOTICE),
]


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize(("kind", "action", "resource", "context"), HOST_REQUESTS)
def test_the_hosts_own_requests_are_allowed_whatever_is_attached(
    full_queue: Resources,
    attached: str,
    kind: str,
    action: str,
    resource: str,
    context: Context,
) -> None:
    """Also where table, parameter and bucket carry the stack's tag."""
    request = Request(action, resource, role_context(kind) | context)
    assert decide(request, role_statements(full_queue, kind), ATTACHED[attached]).allowed


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
