"""The requests that check-aws tries, and what Mayfly expects of IAM for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROW = {"key": {"S": "row"}}
"""The key of the only row that trials touch."""
_ONLY = "ForAllValues:StringEquals"
_NAMED: Mapping[str, Mapping[str, Any]] = {"Null": {"dynamodb:Attributes": "false"}}


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
    report, other = _update(table, "report"), _update(table, "other")
    row = {"key": {"S": "row"}, "report": {"S": "x"}}
    named_only: Mapping[str, Mapping[str, Any]] = {
        _ONLY: {"dynamodb:Attributes": ["key", "report"]},
        **_NAMED,
    }
    projected = {"Keys": [ROW], "ProjectionExpression": "report"}
    return (
        Trial(
            "an update names its attributes to IAM",
            "dynamodb:UpdateItem",
            named_only,
            True,
            "update_item",
            report,
            "no host can report, so none gets ready",
        ),
        Trial(
            "an update of another attribute is denied",
            "dynamodb:UpdateItem",
            named_only,
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
        Trial(
            "an update inside a transaction names its attributes to IAM",
            "dynamodb:UpdateItem",
            _NAMED,
            True,
            "transact_write_items",
            {"TransactItems": [{"Update": report}]},
        ),
        Trial(
            "a batch that deletes names only the key to IAM",
            "dynamodb:BatchWriteItem",
            {_ONLY: {"dynamodb:Attributes": ["key"]}},
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
        Trial(
            "a batch read with a projection names its attributes to IAM",
            "dynamodb:BatchGetItem",
            {
                _ONLY: {"dynamodb:Attributes": ["key", "report"]},
                "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
                **_NAMED,
            },
            True,
            "batch_get_item",
            {"RequestItems": {table: projected}},
            "sandbox and reap cannot read reports",
        ),
        Trial(
            "a batch read of whole rows is denied",
            "dynamodb:BatchGetItem",
            {
                _ONLY: {"dynamodb:Attributes": ["key", "report"]},
                "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
                **_NAMED,
            },
            False,
            "batch_get_item",
            {"RequestItems": {table: {"Keys": [ROW]}}},
            "sandbox and reap may read assignments",
        ),
    )
