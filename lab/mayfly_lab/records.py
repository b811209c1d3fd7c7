"""Reads the whole Fleet table, closed records included, for tests and reports."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mayfly.adapters.aws.boto_errors import code_of, translated
from mayfly.adapters.dynamodb.batches import get_items
from mayfly.adapters.dynamodb.records import from_item, key_of
from mayfly.errors import MayflyError
from mayfly.records.ledger import Ledger
from mayfly.records.model import AnyRecord, Claim, Instance, QueueRecord, SlotKey
from mayfly_lab.aws.front.journal import Entry, Journal

_WRITES = frozenset({"PutItem", "UpdateItem"})


class Records:
    """Reads every record of a kind by scans. For reports only: a tick never scans."""

    def __init__(self, dynamodb: Any, stack: str, journal: Journal) -> None:
        """`journal` tells which rows were written since the last read of instances."""
        self._client = dynamodb
        self._table = f"{stack}-fleet"
        self._journal = journal
        self._read = 0
        self._instances: dict[SlotKey, Instance] = {}
        self._looking = threading.Lock()

    def claims(self) -> Mapping[str, Claim]:
        """All claims by job id. Consistent read."""
        return {claim.job: claim for claim in self._all(Claim)}

    def instances(self) -> Mapping[SlotKey, Instance]:
        """All instances by slot. Reads only rows written since the last call.

        Commands call this twice a second, on the cores that run the lab.
        """
        with self._looking:
            news = self._journal.since(self._read)
            written = {key for entry in news for key in self._written(entry)}
            keys = [{"pk": {"S": key}} for key in sorted(written)]
            with self._if_deployed():
                for item in get_items(self._client, self._table, keys, {}):
                    instance = from_item(Instance, item)
                    self._instances[instance.key] = instance
            self._read += len(news)
            return dict(self._instances)

    def queues(self) -> Mapping[str, QueueRecord]:
        """All queue records by queue key. Consistent read."""
        return {queue.queue: queue for queue in self._all(QueueRecord)}

    def ledger(self) -> Mapping[str, Ledger]:
        """All ledgers by queue key. Consistent read."""
        return {ledger.queue: ledger for ledger in self._all(Ledger)}

    def text(self) -> str:
        """All rows of the table as text, to search for secrets."""
        return repr(list(self._pages()))

    def _written(self, entry: Entry) -> Iterator[str]:
        """Keys of instance rows that a call may have written, even if its answer was an error."""
        for row in entry.resources.get("rows", ()):
            mine = row["table"] == self._table and row["operation"] in _WRITES
            if mine and row["key"].startswith(key_of(Instance, "")):
                yield row["key"]

    def _all(self, kind: type[AnyRecord]) -> Iterator[AnyRecord]:
        wanted = {
            "FilterExpression": "begins_with(pk, :prefix)",
            "ExpressionAttributeValues": {":prefix": {"S": key_of(kind, "")}},
        }
        for item in self._pages(wanted):
            yield from_item(kind, item)

    def _pages(self, wanted: Mapping[str, Any] | None = None) -> Iterator[Any]:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table, ConsistentRead=True, **(wanted or {})
        )
        with self._if_deployed():
            for page in pages:
                yield from page["Items"]

    @contextmanager
    def _if_deployed(self) -> Iterator[None]:
        """Treat a missing table as empty: `mayfly uninstall` removes the stack."""
        try:
            with translated():
                yield
        except MayflyError as error:
            if code_of(error.__cause__) != "ResourceNotFoundException":
                raise
            self._instances.clear()
