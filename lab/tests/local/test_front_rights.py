"""The rights of each of Mayfly's principals, by docs/security.md."""

from __future__ import annotations

from typing import Any

import pytest

from local.aws_lab import QUEUE, principal
from mayfly_lab.aws.front.authoriser import ByPrincipal
from mayfly_lab.aws.front.call import Call, Kind
from mayfly_lab.aws.front.dynamo import item_requests, plain
from mayfly_lab.aws.front.rights import mayfly_rights

RIGHTS = mayfly_rights({QUEUE: "scripts/mayfly/", "other": "scripts/other/"}, ByPrincipal(()))
OWN = "AROABOOTSTRAP:i-1"
OWN_SANDBOX = "AROASANDBOX:i-1"


def row(table: str, key: str, **more: Any) -> dict[str, Any]:
    name = "key" if table == "mailbox" else "pk"
    return {"TableName": f"mayfly-{table}", "Key": {name: {"S": key}}, **more}


def report(key: str, **more: Any) -> dict[str, Any]:
    return row("mailbox", key, UpdateExpression="SET report = :r", **more)


def allowed(kind: Kind, name: str, action: str, parameters: dict[str, Any]) -> bool:
    service, _, operation = action.partition(":")
    return RIGHTS.decide(principal(kind, name), Call(service, operation, parameters)).allowed


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("dynamodb:UpdateItem", report(OWN)),
        ("dynamodb:UpdateItem", report(OWN, ReturnValues="NONE")),
        ("sts:GetCallerIdentity", {}),
        ("ssm:GetParameter", {"Name": "/mayfly-infra/mayfly/bundle"}),
        ("ssm:GetParameter", {"Name": "/mayfly/mayfly/queues/default/bootstrap/script"}),
        ("ssm:GetParameter", {"Name": "/mayfly/mayfly/queues/default/debug/keep-failed-minutes"}),
        ("ssm:GetParameter", {"Name": "/mayfly/mayfly/queues/default/agent/config"}),
        ("ssm:GetParameter", {"Name": "/mayfly/mayfly/queues/default/job/root"}),
        ("lambda:GetLayerVersion", {}),
        ("lambda:GetLayerVersionByArn", {}),
        ("s3:GetObject", {"Bucket": "scripts", "Key": "mayfly/setup.sh"}),
    ],
)
def test_a_bootstrapping_instance_may_make_the_calls_of_a_boot(
    action: str, parameters: dict[str, Any]
) -> None:
    assert allowed(Kind.BOOTSTRAP, "i-1", action, parameters)


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("dynamodb:GetItem", row("mailbox", OWN)),
        ("dynamodb:PutItem", {"TableName": "mayfly-mailbox", "Item": {"key": {"S": OWN}}}),
        ("dynamodb:DeleteItem", row("mailbox", OWN)),
        ("dynamodb:Query", {"TableName": "mayfly-mailbox"}),
        ("dynamodb:Scan", {"TableName": "mayfly-mailbox"}),
        ("dynamodb:TransactWriteItems", {"TransactItems": [{"Update": report(OWN)}]}),
        ("dynamodb:BatchGetItem", {"RequestItems": {"mayfly-mailbox": {"Keys": []}}}),
        ("dynamodb:UpdateItem", report("AROABOOTSTRAP:i-2")),
        ("dynamodb:UpdateItem", report("AROASANDBOX:i-1")),
        ("dynamodb:UpdateItem", report(OWN, ReturnValues="ALL_OLD")),
        ("dynamodb:UpdateItem", row("mailbox", OWN, UpdateExpression="SET assignment = :r")),
        ("dynamodb:UpdateItem", report(OWN, ConditionExpression="attribute_exists(assignment)")),
        (
            "dynamodb:UpdateItem",
            row(
                "mailbox",
                OWN,
                UpdateExpression="SET #a.#b = :r",
                ExpressionAttributeNames={"#a": "assignment", "#b": "report"},
            ),
        ),
        ("dynamodb:UpdateItem", row("fleet", OWN, UpdateExpression="SET report = :r")),
        ("ssm:GetParameter", {"Name": "/buildkite/mayfly/agent-token"}),
        ("ssm:GetParameter", {"Name": "/mayfly/mayfly/queues/other/bootstrap/script"}),
        ("ssm:GetParameter", {"Name": "/mayfly/mayfly/queues/other/debug/keep-failed-minutes"}),
        ("ssm:GetParameter", {"Name": "/mayfly/mayfly/queues/default/debug"}),
        ("ssm:PutParameter", {"Name": "/mayfly/mayfly/queues/default/debug/keep-failed-minutes"}),
        ("ssm:GetParametersByPath", {"Path": "/mayfly/mayfly"}),
        ("s3:GetObject", {"Bucket": "scripts", "Key": "other/setup.sh"}),
        ("ec2:ReplaceIamInstanceProfileAssociation", {}),
        ("ec2:DescribeInstances", {}),
        ("sts:AssumeRole", {}),
    ],
)
def test_a_bootstrapping_instance_may_make_no_other_calls(
    action: str, parameters: dict[str, Any]
) -> None:
    assert not allowed(Kind.BOOTSTRAP, "i-1", action, parameters)


@pytest.mark.parametrize(
    ("action", "parameters", "verdict"),
    [
        ("dynamodb:UpdateItem", report(OWN_SANDBOX), True),
        ("dynamodb:GetItem", row("mailbox", OWN_SANDBOX, ConsistentRead=False), True),
        ("sts:GetCallerIdentity", {}, True),
        ("dynamodb:GetItem", row("mailbox", "AROASANDBOX:i-2"), False),
        ("dynamodb:GetItem", row("mailbox", f"notice/{OWN_SANDBOX}"), True),
        ("dynamodb:GetItem", row("mailbox", "notice/AROASANDBOX:i-2"), False),
        ("dynamodb:UpdateItem", report(f"notice/{OWN_SANDBOX}"), False),
        ("dynamodb:UpdateItem", report(OWN), False),
        ("dynamodb:UpdateItem", report(OWN_SANDBOX, ReturnValues="ALL_NEW"), False),
        ("ssm:GetParameter", {"Name": "/mayfly-infra/mayfly/bundle"}, False),
        ("lambda:GetLayerVersion", {}, False),
        ("s3:GetObject", {"Bucket": "scripts", "Key": "mayfly/setup.sh"}, False),
    ],
)
def test_a_sandboxed_instance_may_use_its_own_row_and_read_its_identity(
    action: str, parameters: dict[str, Any], verdict: bool
) -> None:
    assert allowed(Kind.SANDBOX, "i-1", action, parameters) is verdict


def test_an_instance_with_another_profile_may_only_get_its_caller_identity() -> None:
    assert allowed(Kind.INSTANCE, "i-1", "sts:GetCallerIdentity", {})
    assert not allowed(Kind.INSTANCE, "i-1", "dynamodb:UpdateItem", report("AROAINSTANCE:i-1"))


FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
KEY: dict[str, Any] = {"key": {"S": "k"}}


def batch(entry: dict[str, Any]) -> dict[str, Any]:
    return {"RequestItems": {"mayfly-mailbox": [entry]}}


def batch_of_keys(attribute: str) -> dict[str, Any]:
    projection = {"Keys": [KEY], "ProjectionExpression": attribute}
    return {"RequestItems": {"mayfly-mailbox": projection}}


# action, parameters, and the allowed functions
READERS = {"dispatch", "provision"}
"""Functions that may read many Fleet records at once."""
TABLE: list[tuple[str, dict[str, Any], set[str]]] = [
    ("ssm:GetParametersByPath", {"Path": "/mayfly/mayfly/"}, {"provision"}),
    ("ssm:GetParameter", {"Name": "/buildkite/mayfly/agent-token"}, {"dispatch"}),
    ("ssm:GetParameters", {"Names": ["/buildkite/pipelines/p/repository"]}, {"dispatch"}),
    ("ssm:PutParameter", {}, set()),
    ("ec2:CreateFleet", {}, {"provision"}),
    ("ec2:DescribeInstances", {}, {"provision", "reap"}),
    ("ec2:DescribeIamInstanceProfileAssociations", {}, {"sandbox"}),
    ("ec2:ReplaceIamInstanceProfileAssociation", {}, {"sandbox"}),
    ("ec2:AssociateIamInstanceProfile", {}, set()),
    ("ec2:TerminateInstances", {}, {"reap"}),
    ("ec2:GetConsoleOutput", {}, {"reap"}),
    ("ec2:CreateTags", {}, set()),
    ("sqs:SendMessage", {}, {"dispatch", "provision", "sandbox", "reap"}),
    ("logs:PutLogEvents", {}, {"reap"}),
    ("iam:GetPolicyVersion", {}, {"provision"}),
    ("iam:GetRole", {}, {"provision"}),
    ("iam:ListAttachedRolePolicies", {}, {"provision"}),
    ("iam:PutRolePolicy", {}, set()),
    ("sts:AssumeRole", {}, set()),
    ("dynamodb:GetItem", row("fleet", "claim#1"), set(FUNCTIONS)),
    ("dynamodb:PutItem", {"TableName": "mayfly-fleet", "Item": {}}, set(FUNCTIONS)),
    ("dynamodb:UpdateItem", row("fleet", "claim#1"), {"provision", "sandbox", "reap"}),
    ("dynamodb:DeleteItem", row("fleet", "claim#1"), {"provision", "reap"}),
    (
        "dynamodb:BatchGetItem",
        {"RequestItems": {"mayfly-fleet": {"Keys": [KEY]}}},
        READERS | {"reap"},
    ),
    ("dynamodb:Scan", {"TableName": "mayfly-fleet"}, set()),
    ("dynamodb:ListTables", {}, set()),
    ("dynamodb:GetItem", row("mailbox", "k", ProjectionExpression="report"), set()),
    (
        "dynamodb:UpdateItem",
        row("mailbox", "k", UpdateExpression="SET assignment = :a, expires = :e"),
        {"dispatch"},
    ),
    (
        "dynamodb:UpdateItem",
        row("mailbox", "k", UpdateExpression="SET assignment = :a", ReturnValues="ALL_OLD"),
        set(),
    ),
    (
        "dynamodb:UpdateItem",
        row("mailbox", "notice/k", UpdateExpression="SET notice = :n, expires = :e"),
        {"reap"},
    ),
    (
        "dynamodb:UpdateItem",
        row("mailbox", "k", UpdateExpression="SET notice = :n, expires = :e"),
        set(),
    ),
    ("dynamodb:DeleteItem", row("mailbox", "k"), set()),
    ("dynamodb:BatchWriteItem", batch({"DeleteRequest": {"Key": KEY}}), {"reap"}),
    ("dynamodb:BatchWriteItem", batch({"PutRequest": {"Item": KEY | {"report": {}}}}), set()),
    ("dynamodb:BatchGetItem", batch_of_keys("report"), {"sandbox", "reap"}),
    ("dynamodb:BatchGetItem", batch_of_keys("assignment"), set()),
    ("dynamodb:GetItem", {"TableName": "another", "Key": {"k": {"S": "1"}}}, set()),
    (
        "dynamodb:TransactWriteItems",
        {
            "TransactItems": [
                {"Put": {"TableName": "mayfly-fleet", "Item": {}}},
                {"Update": row("mailbox", "k", UpdateExpression="SET assignment = :a")},
            ]
        },
        {"dispatch"},
    ),
    (
        "dynamodb:TransactWriteItems",
        {"TransactItems": [{"Delete": row("fleet", "claim#1")}]},
        {"provision", "reap"},
    ),
    (
        "dynamodb:TransactWriteItems",
        {"TransactItems": [{"ConditionCheck": row("fleet", "lease#dispatch")}]},
        {"dispatch"},
    ),
]


@pytest.mark.parametrize(("action", "parameters", "holders"), TABLE)
def test_each_call_is_allowed_to_the_listed_functions_only(
    action: str, parameters: dict[str, Any], holders: set[str]
) -> None:
    may = {name for name in FUNCTIONS if allowed(Kind.FUNCTION, name, action, parameters)}
    assert may == holders


def test_an_unknown_function_has_no_rights() -> None:
    assert not allowed(Kind.FUNCTION, "stranger", "ec2:DescribeInstances", {})
    assert not allowed(Kind.FUNCTION, "stranger", "dynamodb:GetItem", row("mailbox", "k"))


def test_administrators_may_do_anything() -> None:
    assert allowed(Kind.ADMINISTRATOR, "administrator", "iam:CreateRole", {})


# ------------------------------------------------------------------ what a request touches


@pytest.mark.parametrize(
    ("parameters", "attributes"),
    [
        ({"UpdateExpression": "SET report = :r"}, {"key", "report"}),
        ({"UpdateExpression": "SET report.phase = :r"}, {"key", "report"}),
        ({"UpdateExpression": "SET a = if_not_exists(b, :z) REMOVE c[0].d"}, {"key", *"abc"}),
        (
            {
                "UpdateExpression": "ADD #n :one",
                "ExpressionAttributeNames": {"#n": "count"},
                "ConditionExpression": "attribute_exists(#n) AND version = :v OR NOT size(x) > :s",
            },
            {"key", "count", "version", "x"},
        ),
        ({"ProjectionExpression": "a, b.c"}, {"key", "a", "b"}),
    ],
)
def test_the_attributes_of_a_request_are_read_from_its_expressions(
    parameters: dict[str, Any], attributes: set[str]
) -> None:
    call = Call("dynamodb", "UpdateItem", row("mailbox", "k", **parameters))
    assert item_requests(call)[0].attributes == attributes


def test_written_items_are_read_as_plain_values() -> None:
    values = {":r": {"M": {"phase": {"S": "booting"}, "tries": {"N": "2"}}}, ":n": {"NULL": True}}
    call = Call(
        "dynamodb",
        "UpdateItem",
        report("k", ExpressionAttributeValues=values)
        | {"UpdateExpression": "SET report = :r, notice = :n REMOVE gone"},
    )
    written = item_requests(call)[0].written
    assert written == {"report": {"phase": "booting", "tries": "2"}, "notice": None}
    assert plain({"L": [{"S": "a"}, {"BOOL": True}]}) == ["a", True]


def test_a_batch_write_is_split_into_its_requests() -> None:
    entries = [
        {"PutRequest": {"Item": {"pk": {"S": "a"}, "state": {"S": "open"}}}},
        {"DeleteRequest": {"Key": {"pk": {"S": "b"}}}},
    ]
    call = Call("dynamodb", "BatchWriteItem", {"RequestItems": {"mayfly-fleet": entries}})
    found = [(each.operation, each.table, each.key) for each in item_requests(call)]
    assert found == [("BatchWriteItem", "mayfly-fleet", key) for key in "ab"]
