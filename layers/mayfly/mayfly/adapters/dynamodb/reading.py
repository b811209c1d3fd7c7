"""Reads records from rows of the Fleet table, and notes the rows that cannot be read."""

from __future__ import annotations

from mayfly.adapters.dynamodb.attributes import Item
from mayfly.adapters.dynamodb.records import from_item
from mayfly.adapters.elements import Elements
from mayfly.errors import Misconfigured
from mayfly.records.about import NOTHING, Fields, fields
from mayfly.records.ledger import Ledger
from mayfly.records.model import AnyRecord, Claim, Instance, Launch, QueueRecord, Stray
from mayfly.records.standing import Standing


def read(kind: type[AnyRecord], item: Item, elements: Elements) -> AnyRecord:
    """The record in an item. An unreadable one is counted and logged, and raises Misconfigured.

    One bad row must not hold up all others: readers of several rows go on without it.
    """
    try:
        return from_item(kind, item)
    except Misconfigured as error:
        elements.note(f"row {key_in(item)}", error, _about(kind, item))
        raise


def key_in(item: Item) -> str:
    """The primary key of a row; empty for a row without a key as text."""
    return str(item.get("pk", {}).get("S", ""))


def name_in(item: Item) -> str:
    """The record's name in the primary key: the part behind the record's kind."""
    return key_in(item).partition("#")[2]


def _about(kind: type[AnyRecord], item: Item) -> Fields:
    """Log fields for a row that cannot be read, from the row's key."""
    name = name_in(item)
    if issubclass(kind, Claim):
        return fields(jobs=[name])
    if issubclass(kind, Ledger | QueueRecord):
        return fields(queues=[name])
    if issubclass(kind, Standing):
        return fields(queues=[name.partition("/")[2]])
    if issubclass(kind, Stray):
        return fields(instances=[name])
    if issubclass(kind, Instance | Launch):
        return fields(launches=[name.partition("/")[0]])
    return NOTHING
