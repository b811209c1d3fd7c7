"""Reads rows, attributes and written values out of DynamoDB requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mayfly_lab.aws.front.call import Call

_EXPRESSIONS = (
    "UpdateExpression",
    "ConditionExpression",
    "ProjectionExpression",
    "FilterExpression",
    "KeyConditionExpression",
)
_NAME = re.compile(r"(?<![:\w#.\]])([#A-Za-z_][\w]*)")
_ASSIGNMENT = re.compile(r"(?<![\w.\]])([#A-Za-z_]\w*)\s*=\s*(:\w+)")
_CLAUSES = ("set", "remove", "add", "delete", "and", "or", "not", "between", "in")
_FUNCTIONS = ("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with")
_WORDS = frozenset({*_CLAUSES, *_FUNCTIONS, "contains", "size", "if_not_exists", "list_append"})
_TRANSACT = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """One row that a request touches."""

    operation: str
    table: str
    key: str | None
    """The value of the hash key, as text; None for a request without a key (a scan)."""
    attributes: frozenset[str]
    """Top-level attributes that the request names, with the key's (`dynamodb:Attributes`)."""
    written: Mapping[str, Any]
    """Attributes that the request sets, with plain values."""


def item_requests(call: Call) -> tuple[ItemRequest, ...]:
    """The rows that a DynamoDB data operation touches; empty for other operations."""
    return tuple(_item_requests(call.operation, call.parameters))


def _item_requests(operation: str, parameters: Mapping[str, Any]) -> Iterator[ItemRequest]:
    if operation in {"TransactWriteItems", "TransactGetItems"}:
        for entry in parameters.get("TransactItems", ()):
            for kind, inner in entry.items():
                yield _item_request(_TRANSACT.get(kind, kind), inner)
    elif operation in {"BatchGetItem", "BatchWriteItem"}:
        for table, inner in parameters.get("RequestItems", {}).items():
            yield from _batch_requests(operation, table, inner)
    elif "TableName" in parameters:
        yield _item_request(operation, parameters)


def _batch_requests(operation: str, table: str, inner: Any) -> Iterator[ItemRequest]:
    """Rows of a batch. IAM checks a batch as one operation, a transaction as its parts."""
    if operation == "BatchGetItem":
        for key in inner.get("Keys", ()):
            yield _item_request(operation, {**inner, "TableName": table, "Key": key})
        return
    for entry in inner:
        yield _item_request(operation, {"TableName": table, **next(iter(entry.values()))})


def _item_request(operation: str, parameters: Mapping[str, Any]) -> ItemRequest:
    names = parameters.get("ExpressionAttributeNames") or {}
    values = parameters.get("ExpressionAttributeValues") or {}
    key = parameters.get("Key") or {}
    item = parameters.get("Item") or {}
    attributes = set(key) | set(item) | set(parameters.get("AttributesToGet") or ())
    for expression in _EXPRESSIONS:
        for name in _NAME.findall(parameters.get(expression) or ""):
            if name.lower() not in _WORDS:
                attributes.add(names.get(name, name))
    written = {name: plain(value) for name, value in item.items()}
    update = (parameters.get("UpdateExpression") or "").split("REMOVE")[0]
    for name, value in _ASSIGNMENT.findall(update):
        if value in values:
            written[names.get(name, name)] = plain(values[value])
    # The hash key is the first of a row's keys in both of Mayfly's tables.
    row = next(iter((key or item).values()), None)
    if item and row is not None:
        row = item.get("pk", item.get("key", row))
    return ItemRequest(
        operation=operation,
        table=str(parameters.get("TableName", "")).rpartition("/")[2],
        key=None if row is None else str(plain(row)),
        attributes=frozenset(attributes),
        written=written,
    )


def plain(value: Any) -> Any:
    """Plain data of a DynamoDB attribute value such as `{"S": "x"}`; numbers stay text."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    kind, inner = next(iter(value.items()))
    match kind:
        case "M":
            return {name: plain(each) for name, each in inner.items()}
        case "L":
            return [plain(each) for each in inner]
        case "NULL":
            return None
        case _:
            return inner
