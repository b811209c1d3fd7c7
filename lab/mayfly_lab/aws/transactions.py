"""Makes moto's DynamoDB transactions copy only the rows that they touch.

For a rollback, moto keeps a deep copy of every named table, once for each item of a transaction.
With a few hundred rows, these copies are most of the work of the lab's process.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType

from mayfly_lab.aws.patches import Patch


def patches() -> list[Patch]:
    """A patch of transactions: they copy the rows that they touch, and no other rows."""
    whole = DynamoDBBackend.transact_write_items

    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        tables = {name: self.tables[name] for name in _named(transact_items) if name in self.tables}
        touched = _touched(transact_items, tables)
        for name, table in tables.items():
            kept = _snapshot(table, touched[name])
            # copy.deepcopy looks for `__deepcopy__` on the object before its class.
            table.__deepcopy__ = lambda _, kept=kept: kept
        try:
            whole(self, transact_items)
        finally:
            for table in tables.values():
                del table.__deepcopy__

    return [
        Patch(
            DynamoDBBackend,
            "transact_write_items",
            transact_write_items,
            "self, transact_items",
        )
    ]


def _named(transact_items: Iterable[Mapping[str, Any]]) -> set[str]:
    return {op["TableName"] for item in transact_items for op in item.values()}


def _touched(
    transact_items: Iterable[Mapping[str, Any]], tables: Mapping[str, Any]
) -> Mapping[str, list[DynamoType]]:
    """Hash keys of the rows that a transaction names, by table."""
    found: dict[str, list[DynamoType]] = defaultdict(list)
    for item in transact_items:
        for op in item.values():
            table = tables.get(op["TableName"])
            named = op.get("Key") or op.get("Item") or {}
            if table is not None and table.hash_key_attr in named:
                found[op["TableName"]].append(DynamoType(named[table.hash_key_attr]))
    return found


def _snapshot(table: Any, touched: Iterable[DynamoType]) -> Any:
    """A copy of the table for a rollback: deep for the touched rows, shallow for all others."""
    kept = copy.copy(table)
    kept.items = copy.copy(table.items)
    for key in touched:
        if key in kept.items:
            kept.items[key] = copy.deepcopy(kept.items[key])
    if table.stream_shard is not None:
        kept.stream_shard = copy.copy(table.stream_shard)
        kept.stream_shard.items = list(table.stream_shard.items)
        kept.stream_shard.table = kept
    return kept
