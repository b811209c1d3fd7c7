"""Writes to both tables, each conditional on the version that was read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.dynamodb.attributes import Attribute, encode
from mayfly.adapters.dynamodb.records import to_item
from mayfly.adapters.dynamodb.rows import Row
from mayfly.errors import Conflict, MayflyError, Misconfigured, Transient
from mayfly.records.bounds import MOST_NOTES
from mayfly.records.changes import Assign, Drop, Save, Unassign
from mayfly.records.ledger import Ledger
from mayfly.records.model import Record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_POINTER = timedelta(days=366)
"""Life of a pointer row; no instance lives for a year."""
KEEP_ROW = timedelta(days=1)
"""Life of a mailbox row that Unassign creates: the update makes a missing row."""

Operation: TypeAlias = dict[str, dict[str, Any]]
"""One of `Put`, `Update`, `Delete`, `ConditionCheck`, as TransactWriteItems takes it."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Names of the two tables."""

    fleet: str
    mailbox: str


def commit(client: DynamoDBClient, rows: Sequence[Row], tables: Tables, now: datetime) -> None:
    """Write all rows or none. `now` is only used for expiry times.

    Raises Conflict when a condition fails or another transaction touches a row, Transient for a
    throttle, Misconfigured for any other refusal.
    """
    operations = [_operation(row, tables, now) for row in rows]
    with translated():
        if len(operations) == 1 and not _needs_transaction(operations[0], tables):
            _write_one(client, operations[0])
            return
        try:
            client.transact_write_items(TransactItems=operations)  # type: ignore[arg-type] # built
        except client.exceptions.TransactionCanceledException as error:
            raise _cancellation_error(error, rows) from error


def _needs_transaction(operation: Operation, tables: Tables) -> bool:
    """Whether the operation has no call of its own that the functions have a right to.

    `dispatch` may update a mailbox row in a transaction only.
    """
    ((kind, request),) = operation.items()
    return kind == "ConditionCheck" or request["TableName"] == tables.mailbox


def _write_one(client: DynamoDBClient, operation: Operation) -> None:
    """Write one row without a transaction, which would cost twice the time and the money."""
    ((kind, request),) = operation.items()
    match kind:
        case "Put":
            client.put_item(**request)
        case "Update":
            client.update_item(**request)
        case _:
            client.delete_item(**request)


def _cancellation_error(error: ClientError, rows: Sequence[Row]) -> MayflyError:
    """The error for a cancelled transaction.

    Source of the codes: the service model's text on TransactionCanceledException.
    """
    given: Any = error.response
    codes = [reason.get("Code", "None") for reason in given.get("CancellationReasons", [])]
    failed = {row.key: code for row, code in zip(rows, codes, strict=False) if code != "None"}
    text = ", ".join(f"{key}: {code}" for key, code in failed.items()) or str(error)
    if {"ConditionalCheckFailed", "TransactionConflict"} & set(codes):
        return Conflict(text)
    if {"ThrottlingError", "ProvisionedThroughputExceeded"} & set(codes):
        return Transient(text)
    return Misconfigured(text)


def _operation(row: Row, tables: Tables, now: datetime) -> Operation:
    if row.slot:
        return _save_pointer(row, tables.fleet, now)
    match row.change:
        case Save(Ledger(version=version) as ledger) if version:
            return _save_ledger(ledger, row, tables.fleet)
        case Save(record):
            return _save(record, row, tables.fleet)
        case Drop(record):
            return _drop(record, row, tables.fleet)
        case Assign() | Unassign() as change:
            return _assign(change, tables.mailbox, now)
        case None if row.freed or row.boots:
            return _add_to_ledger(row, tables.fleet)
        case None:
            return _check_fence(row, tables.fleet)


def _save(record: Record, row: Row, table: str) -> Operation:
    if isinstance(record, Ledger):
        record = replace(record, live=record.live - row.freed, freed=record.freed + row.freed)
    condition, values = _unchanged(record, row)
    stored = to_item(replace(record, version=record.version + 1))
    return {"Put": {"Item": stored, **_request(table, values, condition=condition)}}


def _save_ledger(ledger: Ledger, row: Row, table: str) -> Operation:
    """A save that keeps slots freed and boots noted since the read.

    FreeSlots and NoteBoot do not change the version.
    """
    stored = to_item(replace(ledger, version=ledger.version + 1))
    condition, values = _unchanged(ledger, row)
    sets = ["#live = :base - #freed", "#freed = #freed + :freed"]
    values |= {"base": ledger.live + ledger.freed - row.freed, "freed": row.freed}
    request = _request(table, values, update="SET " + ", ".join(sets), condition=condition)
    for name in stored.keys() - {"pk", "live", "freed", "boots", "counted"}:
        request["UpdateExpression"] += f", #{name} = :new_{name}"
        request["ExpressionAttributeNames"][f"#{name}"] = name
        request["ExpressionAttributeValues"][f":new_{name}"] = stored[name]
    if ledger.counted:
        # Notes are only ever appended, so the first ones are those that were counted.
        removed = ", ".join(f"#boots[{place}]" for place in range(ledger.counted))
        request["UpdateExpression"] += f" REMOVE {removed}"
        request["ExpressionAttributeNames"]["#boots"] = "boots"
    return {"Update": {"Key": {"pk": stored["pk"]}, **request}}


def _drop(record: Record, row: Row, table: str) -> Operation:
    condition, values = _unchanged(record, row)
    return {"Delete": {"Key": _key(row), **_request(table, values, condition=condition)}}


def _unchanged(record: Record, row: Row) -> tuple[str, dict[str, object]]:
    """Condition and values: the stored record has the version (and fence) that was read."""
    values: dict[str, object] = {}
    # The row may exist without a version: FreeSlots makes a row where no ledger is yet.
    condition = "attribute_not_exists(#version)"
    if record.version:
        condition, values["version"] = "#version = :version", record.version
    if row.fence is not None:
        condition, values["fence"] = f"{condition} AND #fence = :fence", row.fence
    return condition, values


def _add_to_ledger(row: Row, table: str) -> Operation:
    """Slots freed and boots noted, whatever the row's version.

    A row with `MOST_NOTES` notes takes no further one (see `notes.make_room`).
    """
    updates: list[str] = []
    values: dict[str, object] = {}
    condition = ""
    if row.freed:
        updates.append("ADD #live :less, #freed :more")
        values |= {"less": -row.freed, "more": row.freed}
    if row.boots:
        updates.append("SET #boots = list_append(if_not_exists(#boots, :none), :boots)")
        values |= {"none": (), "boots": row.boots, "most": MOST_NOTES}
        condition = "attribute_not_exists(#boots) OR size(#boots) < :most"
    request = _request(table, values, update=" ".join(updates), condition=condition)
    return {"Update": {"Key": _key(row), **request}}


def _check_fence(row: Row, table: str) -> Operation:
    request = _request(table, {"fence": row.fence}, condition="#fence = :fence")
    return {"ConditionCheck": {"Key": _key(row), **request}}


def _save_pointer(row: Row, table: str, now: datetime) -> Operation:
    item = {**_key(row), "slot": encode(row.slot), "expires": _epoch(now + KEEP_POINTER)}
    condition = "attribute_not_exists(#pk) OR #slot = :slot"
    return {"Put": {"Item": item, **_request(table, {"slot": row.slot}, condition=condition)}}


def _assign(change: Assign | Unassign, table: str, now: datetime) -> Operation:
    values: dict[str, object]
    match change:
        case Assign(assignment=assignment, expires=expires):
            values = {"assignment": assignment, "expires": int(expires.timestamp())}
            request = _request(
                table,
                values,
                update="SET #assignment = :assignment, #expires = :expires",
                # Not the report: `dispatch` has no right to name it. The proof is in the record.
                condition="attribute_exists(#key) AND attribute_not_exists(#assignment)",
            )
        case Unassign():
            values = {"expires": int((now + KEEP_ROW).timestamp())}
            update = "REMOVE #assignment SET #expires = if_not_exists(#expires, :expires)"
            request = _request(table, values, update=update)
    return {"Update": {"Key": {"key": encode(change.row)}, **request}}


def _request(
    table: str, values: dict[str, object], *, update: str = "", condition: str = ""
) -> dict[str, Any]:
    """The arguments that all operations share; `#names` are taken from the expressions."""
    request: dict[str, Any] = {"TableName": table}
    if update:
        request["UpdateExpression"] = update
    if condition:
        request["ConditionExpression"] = condition
    if names := re.findall(r"#(\w+)", f"{update} {condition}"):
        request["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if values:
        request["ExpressionAttributeValues"] = {f":{n}": encode(v) for n, v in values.items()}
    return request


def _key(row: Row) -> dict[str, Any]:
    return {"pk": encode(row.key)}


def _epoch(at: datetime) -> Attribute:
    return encode(int(at.timestamp()))
