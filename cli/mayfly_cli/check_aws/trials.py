"""The requests that check-aws tries, and what Mayfly expects of IAM for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROW = {"key": {"S": "row"}}
"""The key of the row that trials touch, but for `NOTICE`."""
NOTICE = {"key": {"S": "notice/row"}}
_ONLY = "ForAllValues:StringEquals"
_NAMED: Mapping[str, Mapping[str, Any]] = {"Null": {"dynamodb:Attributes": "false"}}
_NAMED_ONLY: Mapping[str, Mapping[str, Any]] = {
    _ONLY: {"dynamodb:Attributes": ["key", "report"]},
    **_NAMED,
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One request under a policy that allows its action on the table if `condition` holds."""

    says: str
    """What Mayfly expects, as a statement."""
    action: str
    """The IAM action that the policy allows."""
    condition: Mapping[str, Mapping[str, Any]]
    allowed: bool
    """Whether IAM must allow the request for the statement to be true."""
    operation: str
    """The boto3 method of the DynamoDB client."""
    request: Mapping[str, Any]
    matters: str = ""
    """The harm if IAM answers otherwise; empty if no policy of Mayfly depends on the answer."""


def _update(table: str, attribute: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "Key": ROW,
        "UpdateExpression": "SET #a = :v",
        "ExpressionAttributeNames": {"#a": attribute},
        "ExpressionAttributeValues": {":v": {"S": "x"}},
    }


def trials(table: str) -> tuple[Trial, ...]:
    """All trials, on a table with the hash key `key`."""
    return (
        *_updates(table),
        *_notices(table),
        *_transactions(table),
        *_batch_writes(table),
        *_batch_reads(table),
        *_table_policies(table),
    )


def table_policy(table: str, role: str, others: str) -> dict[str, Any]:
    """The policy of the trials' table: as the templates' tables, it denies all but certain roles.

    `role` is the ARN of the trials' role, which may read; `others` is a pattern of ARNs of roles
    which alone may delete. Whoever calls check-aws may delete the table.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": action,
                "Resource": table,
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": only}},
            }
            for action, only in (("dynamodb:GetItem", role), ("dynamodb:DeleteItem", others))
        ],
    }


def _table_policies(table: str) -> tuple[Trial, ...]:
    """Requests that the role's own policies allow, and that the table's policy judges."""
    request = {"TableName": table, "Key": ROW}
    return (
        Trial(
            "a table's policy excepts a role's sessions by the role's ARN",
            "dynamodb:GetItem",
            {},
            True,
            "get_item",
            request,
            "no host and no function can use the tables",
        ),
        Trial(
            "a table's policy denies a role what the role's own policies allow",
            "dynamodb:DeleteItem",
            {},
            False,
            "delete_item",
            request,
            "any role with rights on DynamoDB may read tokens and forge a proof",
        ),
    )


def _updates(table: str) -> tuple[Trial, ...]:
    """Updates of one row: the hosts' reports."""
    report, other = _update(table, "report"), _update(table, "other")
    return (
        Trial(
            "an update names its attributes to IAM",
            "dynamodb:UpdateItem",
            _NAMED_ONLY,
            True,
            "update_item",
            report,
            "no host can report, so none gets ready",
        ),
        Trial(
            "an update of another attribute is denied",
            "dynamodb:UpdateItem",
            _NAMED_ONLY,
            False,
            "update_item",
            other,
            "a host may write other attributes of its row",
        ),
        Trial(
            "an update of another row is denied",
            "dynamodb:UpdateItem",
            {_ONLY: {"dynamodb:LeadingKeys": ["another"]}},
            False,
            "update_item",
            report,
            "a host may write other hosts' rows",
        ),
        Trial(
            "an update that returns values is denied",
            "dynamodb:UpdateItem",
            {"StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"}},
            False,
            "update_item",
            {**report, "ReturnValues": "ALL_NEW"},
            "a bootstrap role may read its row",
        ),
    )


def _notices(table: str) -> tuple[Trial, ...]:
    """Updates of rows whose keys begin alike: `reap` writes notices and no other row."""
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["notice/*"]}}
    return (
        Trial(
            "an update of a row is allowed by the beginning of its key",
            "dynamodb:UpdateItem",
            {**condition, "Null": {"dynamodb:LeadingKeys": "false"}},
            True,
            "update_item",
            {**_update(table, "notice"), "Key": NOTICE},
            "reap cannot tell hosts of a spot interruption",
        ),
        Trial(
            "an update of a row with another beginning is denied",
            "dynamodb:UpdateItem",
            condition,
            False,
            "update_item",
            _update(table, "notice"),
            "reap may write rows that hold tokens",
        ),
    )


def _transactions(table: str) -> tuple[Trial, ...]:
    """Updates inside a transaction and outside: `dispatch` writes assignments, and no report."""
    report, other = _update(table, "report"), _update(table, "other")
    conditional = {
        **report,
        # Always true. A condition's attributes count as the update's own.
        "ConditionExpression": "attribute_exists(#k) OR attribute_not_exists(#k)",
        "ExpressionAttributeNames": {"#a": "report", "#k": "key"},
    }
    inside = {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": ["TransactWriteItems"]}}
    named = {_ONLY: {"dynamodb:Attributes": ["key", "report"]}}
    return (
        Trial(
            "an update inside a transaction names the transaction to IAM",
            "dynamodb:UpdateItem",
            inside,
            True,
            "transact_write_items",
            {"TransactItems": [{"Update": report}]},
            "dispatch cannot assign a job",
        ),
        Trial(
            "an update outside a transaction is denied where only transactions are allowed",
            "dynamodb:UpdateItem",
            inside,
            False,
            "update_item",
            report,
            "dispatch may write assignments apart from its records",
        ),
        Trial(
            "an update inside a transaction names no more attributes than it has",
            "dynamodb:UpdateItem",
            named,
            True,
            "transact_write_items",
            {"TransactItems": [{"Update": conditional}]},
            "dispatch cannot assign a job",
        ),
        Trial(
            "an update of another attribute inside a transaction is denied",
            "dynamodb:UpdateItem",
            named,
            False,
            "transact_write_items",
            {"TransactItems": [{"Update": other}]},
            "dispatch may write reports, and so a proof",
        ),
        Trial(
            "an update of another row inside a transaction is denied",
            "dynamodb:UpdateItem",
            {
                _ONLY: {"dynamodb:LeadingKeys": ["another"]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
            False,
            "transact_write_items",
            {"TransactItems": [{"Update": report}]},
            "a host may write other hosts' rows",
        ),
        Trial(
            "an update inside a transaction names its attributes to IAM",
            "dynamodb:UpdateItem",
            _NAMED,
            True,
            "transact_write_items",
            {"TransactItems": [{"Update": report}]},
        ),
    )


def _batch_writes(table: str) -> tuple[Trial, ...]:
    """Batches that delete and put: `reap` clears the mailbox rows of ended instances."""
    row = {"key": {"S": "row"}, "report": {"S": "x"}}
    return (
        Trial(
            "a batch that deletes names only the key to IAM",
            "dynamodb:BatchWriteItem",
            {_ONLY: {"dynamodb:Attributes": ["key"]}, **_NAMED},
            True,
            "batch_write_item",
            {"RequestItems": {table: [{"DeleteRequest": {"Key": ROW}}]}},
            "reap cannot remove rows of ended instances before their expiry",
        ),
        Trial(
            "a batch that puts a row is denied where only the key is allowed",
            "dynamodb:BatchWriteItem",
            {_ONLY: {"dynamodb:Attributes": ["key"]}},
            False,
            "batch_write_item",
            {"RequestItems": {table: [{"PutRequest": {"Item": row}}]}},
            "reap may write whole rows",
        ),
    )


def _batch_reads(table: str) -> tuple[Trial, ...]:
    """Batches that read: `sandbox` and `reap` read reports, and no assignments."""
    projected = {"Keys": [ROW], "ProjectionExpression": "report"}
    reads_reports: Mapping[str, Mapping[str, Any]] = {
        _ONLY: {"dynamodb:Attributes": ["key", "report"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
        **_NAMED,
    }
    return (
        Trial(
            "a batch read with a projection names its attributes to IAM",
            "dynamodb:BatchGetItem",
            reads_reports,
            True,
            "batch_get_item",
            {"RequestItems": {table: projected}},
            "sandbox and reap cannot read reports",
        ),
        Trial(
            "a batch read of whole rows is denied",
            "dynamodb:BatchGetItem",
            reads_reports,
            False,
            "batch_get_item",
            {"RequestItems": {table: {"Keys": [ROW]}}},
            "sandbox and reap may read assignments",
        ),
    )
