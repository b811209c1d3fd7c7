"""The Fleet port over DynamoDB."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.dynamodb.attributes import Item, decode, encode
from mayfly.adapters.dynamodb.batches import get_items
from mayfly.adapters.dynamodb.records import (
    QUEUES_PARTITION,
    STRAYS_PARTITION,
    from_item,
    key_of,
    open_spans,
    pointer_key,
    slot_of,
)
from mayfly.adapters.dynamodb.rows import rows
from mayfly.adapters.dynamodb.transactions import Tables, commit
from mayfly.errors import Misconfigured
from mayfly.records.about import Fields, fields
from mayfly.records.changes import Change
from mayfly.records.model import (
    AnyRecord,
    Claim,
    Instance,
    Launch,
    Lease,
    Ledger,
    QueueRecord,
    SlotKey,
    Stray,
)
from mayfly.records.states import OPEN_LAUNCHES, ClaimState, InstanceState, Ranked

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


log = logging.getLogger(__name__)


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class DynamoFleet:
    """Implements `mayfly.ports.Fleet` over the two tables that template.yaml declares."""

    def __init__(
        self,
        client: DynamoDBClient,
        tables: Tables,
        clock: Callable[[], datetime] = _wall_clock,
    ) -> None:
        """`clock` is only used for the expiry of rows that have no date of their own."""
        self._client = client
        self._tables = tables
        self._clock = clock

    def queues(self) -> Sequence[QueueRecord]:
        """See `mayfly.ports.Fleet`."""
        return self._list(QueueRecord, QUEUES_PARTITION)

    def claims(self, queue: str, states: Collection[ClaimState]) -> Sequence[Claim]:
        """See `mayfly.ports.Fleet`."""
        return self._list(Claim, queue, states)

    def instances(self, queue: str, states: Collection[InstanceState]) -> Sequence[Instance]:
        """See `mayfly.ports.Fleet`."""
        return self._list(Instance, queue, states)

    def launches(self, queue: str) -> Sequence[Launch]:
        """See `mayfly.ports.Fleet`."""
        return self._list(Launch, queue, OPEN_LAUNCHES)

    def strays(self) -> Sequence[Stray]:
        """See `mayfly.ports.Fleet`."""
        return self._list(Stray, STRAYS_PARTITION)

    def claim(self, job: str) -> Claim | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Claim, job)

    def instance(self, key: SlotKey) -> Instance | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Instance, key)

    def instance_of(self, instance_id: str) -> Instance | None:
        """See `mayfly.ports.Fleet`."""
        pointer = self._item(pointer_key(instance_id))
        return self._get(Instance, slot_of(pointer)) if pointer else None

    def claims_of(self, jobs: Collection[str]) -> Sequence[Claim]:
        """See `mayfly.ports.Fleet`."""
        return sorted(self._batch(Claim, jobs), key=lambda claim: claim.job)

    def slots(self, keys: Collection[SlotKey]) -> Sequence[Instance]:
        """See `mayfly.ports.Fleet`."""
        return sorted(self._batch(Instance, keys), key=lambda slot: slot.key)

    def ledger(self, queue: str) -> Ledger | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Ledger, queue)

    def queue(self, queue: str) -> QueueRecord | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(QueueRecord, queue)

    def lease(self) -> Lease | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Lease, "dispatch")

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        """See `mayfly.ports.Fleet`."""
        if touched := rows(changes, fence):
            commit(self._client, touched, self._tables, self._clock())

    def _get(self, kind: type[AnyRecord], name: str | SlotKey) -> AnyRecord | None:
        item = self._item(key_of(kind, name))
        # A row without version was never saved: FreeSlots ran before the queue's ledger existed.
        return from_item(kind, item) if item and "version" in item else None

    def _batch(self, kind: type[AnyRecord], names: Iterable[str | SlotKey]) -> Iterator[AnyRecord]:
        keys = [{"pk": encode(key)} for key in {key_of(kind, name) for name in names}]
        for item in get_items(self._client, self._tables.fleet, keys, {}):
            yield from_item(kind, item)

    def _item(self, key: str) -> Item | None:
        with translated():
            answer = self._client.get_item(
                TableName=self._tables.fleet, Key={"pk": encode(key)}, ConsistentRead=True
            )
        return answer.get("Item")

    def _list(
        self,
        kind: type[AnyRecord],
        partition: str,
        states: Collection[Ranked] | None = None,
    ) -> list[AnyRecord]:
        """Open records of a kind, from the index; one query per span of states.

        A row that cannot be read is logged and omitted.
        """
        found = []
        for span in open_spans(kind, states):
            for item in self._query(partition, *span):
                try:
                    found.append(from_item(kind, item))
                except Misconfigured as error:
                    # One bad row must not hold up all others; a read of that row alone raises.
                    about = _about(kind, item)
                    log.error("row omitted from a list: %s", error, extra=about)  # noqa: TRY400 - the text says all
        return found

    def _query(self, partition: str, first: str, last: str) -> list[Item]:
        where = "open_queue = :queue AND open_state BETWEEN :first AND :last"
        pages = self._client.get_paginator("query").paginate(
            TableName=self._tables.fleet,
            IndexName="open",
            KeyConditionExpression=where,
            ExpressionAttributeValues={
                ":queue": encode(partition),
                ":first": encode(first),
                ":last": encode(last),
            },
        )
        with translated():
            return [item for page in pages for item in page["Items"]]


def _about(kind: type[AnyRecord], item: Item) -> Fields:
    """Log fields for a row that cannot be read, from the row's key."""
    name = str(decode(item["pk"])).partition("#")[2]
    if issubclass(kind, Claim):
        return fields(jobs=[name])
    if issubclass(kind, QueueRecord):
        return fields(queues=[name])
    if issubclass(kind, Stray):
        return fields(instances=[name])
    return fields(launches=[name.partition("/")[0]])
