"""DynamoDB's calls as IAM's requests.

Sources: service authorization reference of DynamoDB; DynamoDB developer guide, "Using IAM policy
conditions for fine-grained access control" (keys), "Using IAM with DynamoDB transactions" (a
transaction needs the rights of its parts, with `dynamodb:EnclosingOperation`), "IAM security
policies with PartiQL for DynamoDB".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.dynamo import ItemRequest, item_requests, plain
from mayfly_lab.aws.front.iam.authorization import known, types
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.need import Need, UnmappedCallError, resource_tags

_DATA = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
_READS = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})
_STATEMENTS = {
    "delete": "PartiQLDelete",
    "insert": "PartiQLInsert",
    "select": "PartiQLSelect",
    "update": "PartiQLUpdate",
}
_TABLE = re.compile(
    r"""(?:from|into|update)\s+["']?([\w.-]+)["']?(?:\.["']?([\w.-]+))?""", re.IGNORECASE
)
_EQUALS = re.compile(r"([#\w]+)\s*=\s*(:\w+)")


def needs(call: Call, facts: Facts) -> Iterator[Need]:
    """What IAM must allow for a call to DynamoDB or its streams.

    Raises:
        UnmappedCallError: the call names no table.
    """
    if call.operation in _DATA:
        yield from _of_rows(call, facts)
    elif call.operation in {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}:
        yield from _of_statements(call, facts)
    else:
        yield from _of_tables(call, facts)


def _of_rows(call: Call, facts: Facts) -> Iterator[Need]:
    rows = item_requests(call)
    if not rows:
        raise UnmappedCallError(call, "it names no table")
    if call.operation.startswith("Transact"):
        inner = [part for entry in call.parameters["TransactItems"] for part in entry.values()]
        for row, part in zip(rows, inner, strict=True):
            own = {"dynamodb:EnclosingOperation": call.operation}
            yield _row_need(row.operation, (row,), part, facts, own)
        return
    by_table: dict[str, list[ItemRequest]] = {}
    for row in rows:
        by_table.setdefault(row.table, []).append(row)
    for table, found in by_table.items():
        given = (call.parameters.get("RequestItems") or {}).get(table, call.parameters)
        yield _row_need(call.operation, tuple(found), given, facts, {})


def _row_need(
    operation: str,
    rows: tuple[ItemRequest, ...],
    given: Any,
    facts: Facts,
    more: Mapping[str, Values],
) -> Need:
    """One request on a table or index; a batch is one request with the keys of all its rows."""
    given = given if isinstance(given, Mapping) else {}
    context: dict[str, Values] = dict(more)
    keys = [row.key for row in rows if row.key is not None] or _queried(given, facts)
    if keys:
        context["dynamodb:LeadingKeys"] = list(dict.fromkeys(keys))
    if attributes := sorted({name for row in rows for name in row.attributes}):
        context["dynamodb:Attributes"] = attributes
    if operation in _READS:
        named = given.get("ProjectionExpression") or given.get("AttributesToGet")
        every = "SPECIFIC_ATTRIBUTES" if named else "ALL_ATTRIBUTES"
        context["dynamodb:Select"] = str(given.get("Select") or every)
    for key in ("ReturnValues", "ReturnConsumedCapacity"):
        if given.get(key):
            context[f"dynamodb:{key}"] = str(given[key])
    return _on_table(f"dynamodb:{operation}", rows[0].table, facts, context, given.get("IndexName"))


def _queried(given: Mapping[str, Any], facts: Facts) -> list[str]:
    """The value of the hash key in a query's condition; none for another call."""
    names = given.get("ExpressionAttributeNames") or {}
    values = given.get("ExpressionAttributeValues") or {}
    hashed = facts.hash_key(str(given.get("TableName", "")), given.get("IndexName"))
    found = {
        names.get(name, name): value
        for name, value in _EQUALS.findall(given.get("KeyConditionExpression") or "")
    }
    value = found.get(hashed)
    return [str(plain(values[value]))] if value in values else []


def _on_table(
    action: str,
    table: str,
    facts: Facts,
    context: Mapping[str, Values],
    index: Any = None,
) -> Need:
    whole = facts.arn("dynamodb", "table", table)
    keys = {**resource_tags(facts.tags("dynamodb", whole)), **context}
    if index:
        found = facts.arn("dynamodb", "index", table, str(index))
        return Need(action, found, "index", keys)
    return Need(action, whole, "table", keys)


def _of_statements(call: Call, facts: Facts) -> Iterator[Need]:
    """Requests of PartiQL. Keys of rows are not read, so a condition on them does not hold."""
    given = call.parameters
    listed = given.get("Statements") or given.get("TransactStatements") or [given]
    for each in listed:
        text = str(each.get("Statement", "")).strip()
        action = _STATEMENTS.get(text.partition(" ")[0].lower())
        match = _TABLE.search(text)
        if action is None or match is None:
            raise UnmappedCallError(call, "the statement is not understood")
        context = {"dynamodb:EnclosingOperation": call.operation}
        yield _on_table(f"dynamodb:{action}", match[1], facts, context, match[2])


def _of_tables(call: Call, facts: Facts) -> Iterator[Need]:
    action = f"dynamodb:{call.operation}"
    if not known(action):
        raise UnmappedCallError(call, "IAM has no such action")
    kinds = types(action)
    given = call.parameters
    names = ("TableName", "TableArn", "ResourceArn", "StreamArn")
    named = next((str(given[name]) for name in names if given.get(name)), "")
    if "/stream/" in named:
        yield Need(action, named, "stream")
    elif named and "table" in kinds:
        yield _on_table(action, named.partition("table/")[2] or named, facts, {})
    elif "ShardIterator" in given:  # the iterator names a shard of a stream, in moto's own form
        yield Need(action, str(given["ShardIterator"]).split("|")[0], "stream")
    elif kinds.get("stream") and "table" not in kinds:
        raise UnmappedCallError(call, "it names no stream")
    elif any(kinds.values()):
        raise UnmappedCallError(call, "it names no table")
    else:
        yield Need(action)
