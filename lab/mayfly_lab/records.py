"""The Fleet table as a whole: what operators' tools and reports read, closed records included."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mayfly.adapters.aws.boto_errors import code_of, translated
from mayfly.adapters.dynamodb.batches import get_items
from mayfly.adapters.dynamodb.records import from_item, key_of
from mayfly.errors import MayflyError
from mayfly.records.model import AnyRecord, Claim, Instance, Ledger, QueueRecord, SlotKey
from mayfly_lab.aws.front.journal import Entry, Journal

_WRITES = frozenset({"PutItem", "UpdateItem"})


class Records:
    """Reads every record of a kind. For looking back: a tick never scans."""

    def __init__(self, dynamodb: Any, stack: str, journal: Journal) -> None:
        """The journal tells what has been written since somebody looked."""
        self._client = dynamodb
        self._table = f"{stack}-fleet"
        self._journal = journal
        self._read = 0
        self._instances: dict[SlotKey, Instance] = {}
        self._looking = threading.Lock()

    def claims(self) -> Mapping[str, Claim]:
        """All claims, by job."""
        return {claim.job: claim for claim in self._all(Claim)}

    def instances(self) -> Mapping[SlotKey, Instance]:
        """All instances, by slot. Only what was written since the last look is read anew.

        Whoever follows a lab looks often, on the cores that run it.
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
        """All queues, by key."""
        return {queue.queue: queue for queue in self._all(QueueRecord)}

    def ledger(self) -> Mapping[str, Ledger]:
        """All accounts, by queue."""
        return {ledger.queue: ledger for ledger in self._all(Ledger)}

    def text(self) -> str:
        """Everything that stands in the table, for a search."""
        return repr(list(self._pages()))

    def _written(self, entry: Entry) -> Iterator[str]:
        """Keys of instances that a call may have written: a lost answer says nothing."""
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
        """A stack that was taken away, as `mayfly uninstall` does, has no records."""
        try:
            with translated():
                yield
        except MayflyError as error:
            if code_of(error.__cause__) != "ResourceNotFoundException":
                raise
            self._instances.clear()
