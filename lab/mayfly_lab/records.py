"""The Fleet table as a whole: what operators' tools and reports read, closed records included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mayfly.adapters.records import from_item, key_of
from mayfly.model import AnyRecord, Capacity, Claim, Instance, QueueRecord, SlotKey


class Records:
    """Reads every record of a kind. For looking back: a tick never scans."""

    def __init__(self, dynamodb: Any, stack: str) -> None:
        self._client = dynamodb
        self._table = f"{stack}-fleet"

    def claims(self) -> Mapping[str, Claim]:
        """All claims, by job."""
        return {claim.job: claim for claim in self._all(Claim)}

    def instances(self) -> Mapping[SlotKey, Instance]:
        """All instances, by slot."""
        return {instance.key: instance for instance in self._all(Instance)}

    def queues(self) -> Mapping[str, QueueRecord]:
        """All queues, by key."""
        return {queue.queue: queue for queue in self._all(QueueRecord)}

    def capacity(self) -> Mapping[str, Capacity]:
        """All accounts, by queue."""
        return {capacity.queue: capacity for capacity in self._all(Capacity)}

    def text(self) -> str:
        """Everything that stands in the table, for a search."""
        return repr(list(self._pages()))

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
        try:
            for page in pages:
                yield from page["Items"]
        except self._client.exceptions.ResourceNotFoundException:
            return  # the stack was taken away, as scripts/uninstall does: it has no records
