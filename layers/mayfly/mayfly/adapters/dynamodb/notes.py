"""Keeps the notes of boots in a queue's ledger from filling the item, which has at most 400 KB.

Notes are counted and removed by `provision` alone. While `provision` stands still, instances must
go on to be condemned and closed, and each such write appends a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.dynamodb.attributes import Item, encode
from mayfly.adapters.dynamodb.records import read_value
from mayfly.adapters.elements import UNREADABLE
from mayfly.records.bounds import MOST_NOTES
from mayfly.records.brakes import fewer_notes
from mayfly.records.ledger import Boot

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BOOT = TypeAdapter(Boot)


def make_room(client: DynamoDBClient, table: str, ledger: Item) -> bool:
    """Merge the notes of a ledger's row. Returns False, without a write, where the row has few.

    The write is conditional on version and number of notes as read, and makes a new version: a save
    that has counted notes by their places must not remove others. Raises Conflict when the row has
    changed.
    """
    notes = ledger.get("boots", {}).get("L", [])
    if len(notes) < MOST_NOTES:
        return False
    names = {"#boots": "boots"}
    values: dict[str, object] = {":seen": len(notes), ":boots": fewer_notes(_readable(notes))}
    update, condition = "SET #boots = :boots", "size(#boots) = :seen"
    if "version" in ledger:  # A row without one was never saved: see `DynamoFleet._get`.
        names["#version"] = "version"
        values |= {":next": _version(ledger) + 1, ":version": _version(ledger)}
        update, condition = f"{update}, #version = :next", f"{condition} AND #version = :version"
    with translated():
        client.update_item(
            TableName=table,
            Key={"pk": ledger["pk"]},
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={name: encode(value) for name, value in values.items()},
        )
    return True


def _readable(notes: list[Any]) -> Iterator[Boot]:
    """The notes of a row; notes that cannot be read are omitted: the brake could not use them."""
    for note in notes:
        try:
            yield read_value(_BOOT, note["M"])
        except UNREADABLE:
            continue


def _version(ledger: Item) -> int:
    return int(ledger["version"]["N"])
