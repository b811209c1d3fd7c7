"""What each principal may do in the lab, by the policies of the deployed templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.aws_lab import refused
from local.deployed_account import Account
from local.iam_calls import FUNCTIONS, HOST, Principals, policy, report, row
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Principal

TOKEN = "/buildkite/mayfly/agent-token"
QUEUE = "/mayfly/mayfly/queues"
LAYER = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:mayfly-instance"


@pytest.fixture(scope="module")
def principals(account: Account) -> Principals:
    return Principals(account)


def test_functions_may_make_the_listed_calls_only(
    principals: Principals, calls: list[tuple[str, dict[str, Any], set[str]]]
) -> None:
    found = [
        (
            action,
            parameters,
            {name for name in FUNCTIONS if _may(principals, name, action, parameters)},
        )
        for action, parameters, _ in calls
    ]
    assert found == calls


def _may(principals: Principals, who: str, action: str, parameters: dict[str, Any]) -> bool:
    return principals.decide(who, action, parameters).allowed


KEY: dict[str, Any] = {"key": {"S": "k"}}
ASSIGNING = {"Update": row("mailbox", "k", UpdateExpression="SET assignment = :a, expires = :e")}


def batch_of_keys(attribute: str) -> dict[str, Any]:
    projection = {"Keys": [KEY], "ProjectionExpression": attribute}
    return {"RequestItems": {"mayfly-mailbox": projection}}


def transaction(*items: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": list(items)}


@pytest.fixture(scope="module")
def calls(account: Account) -> list[tuple[str, dict[str, Any], set[str]]]:
    """Action, parameters, and the functions that may make the call."""
    urls = account.client("sqs").list_queues()["QueueUrls"]
    nudges = next(each for each in urls if "NudgeQueue" in each)
    every = set(FUNCTIONS)
    return [
        ("ssm:GetParametersByPath", {"Path": "/mayfly/mayfly/"}, {"provision"}),
        ("ssm:GetParametersByPath", {"Path": "/buildkite"}, set()),
        ("ssm:GetParameterHistory", {"Name": f"{QUEUE}/first/paused"}, {"provision"}),
        ("ssm:GetParameterHistory", {"Name": TOKEN}, set()),
        ("ssm:GetParameter", {"Name": TOKEN, "WithDecryption": True}, {"dispatch"}),
        ("ssm:GetParameters", {"Names": ["/buildkite/pipelines/p/repository"]}, {"dispatch"}),
        ("ssm:GetParameters", {"Names": [TOKEN]}, set()),
        ("ssm:PutParameter", {"Name": f"{QUEUE}/first/paused"}, set()),
        ("ec2:DescribeInstances", {}, {"provision", "reap"}),
        ("ec2:DescribeSpotPriceHistory", {"InstanceTypes": ["m7i.large"]}, {"provision"}),
        ("pricing:GetProducts", {"ServiceCode": "AmazonEC2"}, {"provision"}),
        ("ec2:DescribeIamInstanceProfileAssociations", {}, {"provision", "sandbox"}),
        ("ec2:TerminateInstances", {"InstanceIds": [HOST]}, set()),
        ("ec2:CreateTags", {"Resources": [HOST], "Tags": [{"Key": "a", "Value": "b"}]}, set()),
        ("ec2:AssociateIamInstanceProfile", {"InstanceId": HOST}, set()),
        ("sqs:SendMessage", {"QueueUrl": nudges}, every),
        ("sqs:PurgeQueue", {"QueueUrl": nudges}, set()),
        (
            "logs:PutLogEvents",
            {"logGroupName": "/mayfly/mayfly/last-words", "logStreamName": "i"},
            {"reap"},
        ),
        ("logs:PutLogEvents", {"logGroupName": "/other", "logStreamName": "i"}, set()),
        ("sts:AssumeRole", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/x"}, set()),
        ("sts:GetCallerIdentity", {}, every),
        ("lambda:Invoke", {"FunctionName": "mayfly-reap"}, set()),
        ("dynamodb:GetItem", row("fleet", "claim#1"), every),
        ("dynamodb:PutItem", {"TableName": "mayfly-fleet", "Item": {"pk": {"S": "a"}}}, every),
        ("dynamodb:Scan", {"TableName": "mayfly-fleet"}, set()),
        ("dynamodb:ListTables", {}, set()),
        ("dynamodb:DeleteTable", {"TableName": "mayfly-mailbox"}, set()),
        ("dynamodb:GetItem", row("mailbox", "k", ProjectionExpression="report"), set()),
        ("dynamodb:DeleteItem", row("mailbox", "k"), set()),
        ("dynamodb:BatchGetItem", batch_of_keys("report"), {"sandbox", "reap"}),
        ("dynamodb:BatchGetItem", batch_of_keys("assignment"), set()),
        ("dynamodb:BatchGetItem", {"RequestItems": {"mayfly-mailbox": {"Keys": [KEY]}}}, set()),
        ("dynamodb:GetItem", {"TableName": "another", "Key": {"k": {"S": "1"}}}, set()),
        (
            "dynamodb:TransactWriteItems",
            transaction({"Put": {"TableName": "mayfly-fleet", "Item": {}}}, ASSIGNING),
            {"dispatch"},
        ),
        (
            "dynamodb:TransactWriteItems",
            transaction({"ConditionCheck": row("fleet", "lease#dispatch")}),
            {"dispatch"},
        ),
        ("dynamodb:ExecuteStatement", {"Statement": 'SELECT * FROM "mayfly-mailbox"'}, set()),
        ("kms:CreateKey", {}, set()),
        ("iam:CreateRole", {"RoleName": "x"}, set()),
    ]


BOOT: list[tuple[str, dict[str, Any], bool]] = [
    ("ssm:GetParameter", {"Name": "/mayfly-infra/mayfly/bundle"}, True),
    ("ssm:GetParameter", {"Name": f"{QUEUE}/first/bootstrap/script"}, True),
    ("ssm:GetParameter", {"Name": f"{QUEUE}/first/debug/keep-failed-minutes"}, True),
    ("ssm:GetParameter", {"Name": f"{QUEUE}/first/agent/config"}, True),
    ("ssm:GetParameter", {"Name": f"{QUEUE}/first/job/root"}, True),
    ("ssm:GetParameter", {"Name": f"{QUEUE}/deploy/bootstrap/script"}, False),
    ("ssm:GetParameter", {"Name": TOKEN, "WithDecryption": True}, False),
    ("ssm:PutParameter", {"Name": f"{QUEUE}/first/debug/keep-failed-minutes"}, False),
    ("ssm:GetParametersByPath", {"Path": "/mayfly/mayfly"}, False),
    ("lambda:GetLayerVersion", {"LayerName": LAYER, "VersionNumber": 1}, True),
    ("lambda:GetLayerVersionByArn", {"Arn": f"{LAYER}:1"}, True),
    ("lambda:GetLayerVersion", {"LayerName": "mayfly-mayfly", "VersionNumber": 1}, False),
    ("s3:GetObject", {"Bucket": "scripts", "Key": "mayfly/setup.sh"}, False),
]
"""Calls of a boot, and whether a bootstrapping host of the queue `first` may make them."""


@pytest.mark.parametrize(("action", "parameters", "verdict"), BOOT)
def test_a_bootstrapping_host_may_make_the_calls_of_a_boot(
    principals: Principals, action: str, parameters: dict[str, Any], verdict: bool
) -> None:
    assert _may(principals, "bootstrap host", action, parameters) is verdict
    assert not _may(principals, "sandbox host", action, parameters)


OTHER = "AROAOTHER:i-1"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/mayfly-mailbox"
MAILBOX: list[tuple[str, Callable[[str], dict[str, Any]], set[str]]] = [
    ("UpdateItem", report, {"bootstrap", "sandbox"}),
    ("UpdateItem", lambda key: report(key, ReturnValues="NONE"), {"bootstrap", "sandbox"}),
    ("UpdateItem", lambda key: report(key, ReturnValues="ALL_OLD"), set()),
    ("UpdateItem", lambda _: report(OTHER), set()),
    ("UpdateItem", lambda key: row("mailbox", key, UpdateExpression="SET assignment = :a"), set()),
    (
        "UpdateItem",
        lambda key: report(key, ConditionExpression="attribute_exists(assignment)"),
        set(),
    ),
    (
        "UpdateItem",
        lambda key: row(
            "mailbox",
            key,
            UpdateExpression="SET #a.#b = :r",
            ExpressionAttributeNames={"#a": "assignment", "#b": "report"},
        ),
        set(),
    ),
    ("UpdateItem", lambda key: row("fleet", key, UpdateExpression="SET report = :r"), set()),
    ("GetItem", lambda key: row("mailbox", key), {"sandbox"}),
    ("GetItem", lambda key: row("mailbox", key, ConsistentRead=False), {"sandbox"}),
    ("GetItem", lambda _: row("mailbox", OTHER), set()),
    ("PutItem", lambda key: {"TableName": "mayfly-mailbox", "Item": {"key": {"S": key}}}, set()),
    ("DeleteItem", lambda key: row("mailbox", key), set()),
    ("Query", lambda _: {"TableName": "mayfly-mailbox"}, set()),
    ("Scan", lambda _: {"TableName": "mayfly-mailbox"}, set()),
    ("BatchGetItem", lambda _: {"RequestItems": {"mayfly-mailbox": {"Keys": [KEY]}}}, set()),
    ("DescribeTable", lambda _: {"TableName": "mayfly-mailbox"}, set()),
    ("ExecuteStatement", lambda _: {"Statement": 'SELECT * FROM "mayfly-mailbox"'}, set()),
    ("PutResourcePolicy", lambda _: {"ResourceArn": TABLE, "Policy": "{}"}, set()),
]
"""Operations on rows, their parameters by the caller's own userid, and the roles allowed."""


@pytest.mark.parametrize(("operation", "parameters", "holders"), MAILBOX)
def test_a_host_may_write_its_report_and_read_its_assignment(
    principals: Principals,
    operation: str,
    parameters: Callable[[str], dict[str, Any]],
    holders: set[str],
) -> None:
    may = {
        who
        for who in ("bootstrap", "sandbox")
        if _may(
            principals,
            f"{who} host",
            f"dynamodb:{operation}",
            parameters(principals.userid(f"{who} host")),
        )
    }
    assert may == holders


@pytest.fixture(scope="module")
def foreign(principals: Principals) -> Principal:
    """A role outside Mayfly with every right on DynamoDB."""
    return principals.make_role("foreign", "/", "dynamodb:*")


def test_a_denial_of_a_resource_policy_holds_for_a_role_with_every_right(
    account: Account, principals: Principals
) -> None:
    role = principals.make_role("copied", "/mayfly/mayfly/sandbox/first/", "dynamodb:*")
    verdict, call = principals.decided(role, "dynamodb:GetItem", row("mailbox", OTHER))
    assert not verdict.allowed
    assert verdict.message.endswith("with an explicit deny in a resource-based policy")
    assert call.decided[-1].sid


def test_a_resource_policy_that_is_put_at_run_time_counts_at_once_even_for_an_administrator(
    account: Account, principals: Principals, foreign: Principal
) -> None:
    read = ("dynamodb:GetItem", {"TableName": "own", "Key": {"k": {"S": "1"}}})
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName="own",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert principals.decide(foreign, *read).allowed
    assert principals.decide("administrator", *read).allowed
    arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/own"
    nobody = {
        "Sid": "Nobody",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "dynamodb:GetItem",
        "Resource": arn,
    }
    dynamodb.put_resource_policy(ResourceArn=arn, Policy=policy(nobody))
    for who in (foreign, "administrator"):
        verdict, call = principals.decided(who, *read)
        assert (verdict.allowed, call.decided[-1].sid) == (False, "Nobody")
    with pytest.raises(Exception, match="explicit deny in a resource-based policy"):
        dynamodb.get_item(TableName="own", Key={"k": {"S": "1"}})
    dynamodb.delete_resource_policy(ResourceArn=arn)
    assert principals.decide(foreign, *read).allowed


def test_a_policy_that_is_attached_at_run_time_counts_at_once(
    account: Account, principals: Principals
) -> None:
    iam = account.client("iam")
    role = principals.make_role("growing")
    call: tuple[str, dict[str, Any]] = ("sqs:ListQueues", {})
    assert not principals.decide(role, *call).allowed
    principals.allow("growing", "sqs:ListQueues")
    assert principals.decide(role, *call).allowed
    iam.delete_role_policy(RoleName="growing", PolicyName="given")
    assert not principals.decide(role, *call).allowed


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("AmazonS3FullAccess", {"s3:ListBuckets"}),
        ("PowerUserAccess", {"s3:ListBuckets", "sqs:ListQueues"}),
        ("AdministratorAccess", {"s3:ListBuckets", "sqs:ListQueues", "iam:ListUsers"}),
    ],
)
def test_a_role_may_have_a_managed_policy_of_aws(
    account: Account, principals: Principals, name: str, allowed: set[str]
) -> None:
    role = principals.make_role(f"with-{name}")
    arn = f"arn:aws:iam::aws:policy/{name}"
    account.client("iam").attach_role_policy(RoleName=role.name, PolicyArn=arn)
    asked = ("s3:ListBuckets", "sqs:ListQueues", "iam:ListUsers")
    assert {each for each in asked if principals.decide(role, each, {}).allowed} == allowed
    account.client("iam").detach_role_policy(RoleName=role.name, PolicyArn=arn)
    assert not any(principals.decide(role, each, {}).allowed for each in asked)


def test_a_tag_of_a_role_that_is_set_at_run_time_counts_at_once(
    account: Account, principals: Principals
) -> None:
    iam = account.client("iam")
    role = principals.make_role("tagged")
    allow = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    ours = {"StringEquals": {"aws:PrincipalTag/team": "ci"}}
    iam.put_role_policy(
        RoleName="tagged", PolicyName="p", PolicyDocument=policy(allow | {"Condition": ours})
    )
    for value, allowed in (("other", False), ("ci", True), ("other", False)):
        iam.tag_role(RoleName="tagged", Tags=[{"Key": "team", "Value": value}])
        assert principals.decide(role, "sqs:ListQueues", {}).allowed is allowed


def test_a_permissions_boundary_limits_a_role(account: Account, principals: Principals) -> None:
    document = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    made = account.client("iam").create_policy(PolicyName="only-s3", PolicyDocument=document)
    role = principals.make_role("bounded", "/", "*", PermissionsBoundary=made["Policy"]["Arn"])
    assert principals.decide(role, "s3:ListBuckets", {}).allowed
    refusal = principals.decide(role, "sqs:ListQueues", {})
    assert refusal.message.endswith(
        "because no permissions boundary allows the sqs:ListQueues action"
    )


def test_a_role_is_assumed_by_its_trust_policy_and_limited_by_a_session_policy(
    account: Account, principals: Principals
) -> None:
    principals.make_role("next", "/", "sqs:*", "s3:*")
    arn = f"arn:aws:iam::{ACCOUNT}:role/next"
    only_s3 = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    sts = account.client("sts")
    found = sts.assume_role(RoleArn=arn, RoleSessionName="chained", Policy=only_s3)
    holder = account.lab.aws.credentials.holder(found["Credentials"]["AccessKeyId"])
    assert holder is not None
    session = account.lab.client("sts", holder.keys).get_caller_identity()
    assert session["Arn"].endswith("assumed-role/next/chained")
    assert account.lab.client("s3", holder.keys).list_buckets()
    assert refused(account.lab.client("sqs", holder.keys).list_queues)[0] == "AccessDenied"


def test_a_role_that_trusts_ec2_alone_is_assumed_by_nobody(
    account: Account, principals: Principals
) -> None:
    role = account.deployed.queues["first"]["sandbox_role"]
    give = {"RoleArn": role, "RoleSessionName": HOST}
    for who in ("administrator", "bootstrap host", "sandbox host", "provision", "operator"):
        assert not principals.decide(who, "sts:AssumeRole", give).allowed
    refusal = principals.decide("administrator", "sts:AssumeRole", give)
    assert "no resource-based policy allows the sts:AssumeRole action" in refusal.message


def test_a_role_that_was_made_again_gives_an_old_session_no_rights(
    account: Account, principals: Principals
) -> None:
    old = principals.make_role("again", "/", "sqs:*")
    iam = account.client("iam")
    iam.delete_role_policy(RoleName="again", PolicyName="given")
    iam.delete_role(RoleName="again")
    new = principals.make_role("again", "/", "sqs:*")
    assert principals.decide(new, "sqs:ListQueues", {}).allowed
    assert not principals.decide(old, "sqs:ListQueues", {}).allowed


def test_a_call_without_a_mapping_is_denied_and_the_journal_says_so(
    account: Account, principals: Principals
) -> None:
    role = principals.make_role("everything", "/", "*")
    verdict, call = principals.decided(role, "glue:GetTables", {})
    assert (verdict.allowed, call.decided[0].by) == (False, "no mapping")
    assert not principals.decide(role, "dynamodb:ExecuteStatement", {"Statement": "?"}).allowed
    verdict, call = principals.decided("administrator", "glue:GetTables", {})
    assert (verdict.allowed, call.decided[0].by) == (True, "no mapping")


def test_the_journal_keeps_what_decided_each_request_of_a_call(account: Account) -> None:
    operator = account.lab.client("ssm", account.lab.aws.operator)
    operator.put_parameter(Name=f"{QUEUE}/first/pool/hot", Value="1", Type="String")
    [entry] = account.lab.aws.journal.select(operation="PutParameter", kind="person")
    [shown] = [each.shown() for each in entry.iam]
    context = shown.pop("context")
    assert shown == {
        "action": "ssm:PutParameter",
        "resource": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{QUEUE}/first/pool/hot",
        "verdict": "allowed",
        "by": "identity-based policy",
        "sid": entry.iam[0].sid,
    }
    assert shown["sid"]
    assert context["aws:PrincipalArn"] == f"arn:aws:iam::{ACCOUNT}:user/operator"
    assert context["ssm:Overwrite"] == "false"


def test_what_decided_is_written_once_for_each_request(account: Account, tmp_path: Path) -> None:
    operator = account.lab.client("ssm", account.lab.aws.operator)
    for _ in range(2):
        operator.get_parameters_by_path(Path="/mayfly/mayfly", Recursive=True)
    path = tmp_path / "decisions.jsonl"
    number = account.lab.aws.journal.write_decisions(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == number
    own = [each for each in lines if each["operation"] == "ssm:GetParametersByPath"]
    assert [each["verdict"] for each in own] == ["allowed"]
    assert set(own[0]) == {"principal", "operation", "action", "resource", "context", "verdict"} | {
        "by",
        "sid",
    }


def test_a_secret_of_a_call_is_in_none_of_its_requests(account: Account) -> None:
    account.client("ssm").put_parameter(Name="/hush", Value="hush-hush", Type="SecureString")
    [entry] = account.lab.aws.journal.select(about="/hush", operation="PutParameter")
    assert entry.iam
    assert "hush-hush" not in repr([each.shown() for each in entry.iam])
