"""The Fleet port over DynamoDB."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.dynamodb.attributes import Item, encode
from mayfly.adapters.dynamodb.batches import get_items
from mayfly.adapters.dynamodb.notes import make_room
from mayfly.adapters.dynamodb.reading import key_in, name_in, read
from mayfly.adapters.dynamodb.records import (
    PARAMETERS_PARTITION,
    QUEUES_PARTITION,
    STANDINGS_PARTITION,
    STRAYS_PARTITION,
    key_of,
    open_spans,
    pointer_key,
    slot_of,
    standing_name,
)
from mayfly.adapters.dynamodb.rows import Row, rows
from mayfly.adapters.dynamodb.transactions import Tables, commit
from mayfly.adapters.elements import Elements
from mayfly.errors import Conflict, Misconfigured
from mayfly.records.about import fields
from mayfly.records.audit import ParametersSeen
from mayfly.records.changes import Change
from mayfly.records.found import Found
from mayfly.records.ledger import Ledger
from mayfly.records.model import (
    AnyRecord,
    Claim,
    Instance,
    Launch,
    Lease,
    QueueRecord,
    SlotKey,
    Stray,
)
from mayfly.records.prices import Prices
from mayfly.records.standing import Standing
from mayfly.records.states import OPEN_LAUNCHES, ClaimState, InstanceState, Ranked

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


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
        self._elements = Elements()

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

    def instances_of(self, instance_ids: Collection[str]) -> Found[Instance]:
        """See `mayfly.ports.Fleet`."""
        keys = [{"pk": encode(pointer_key(each))} for each in dict.fromkeys(instance_ids)]
        ids, bad = dict[SlotKey, str](), list[str]()
        for pointer in get_items(self._client, self._tables.fleet, keys, {}):
            instance_id = name_in(pointer)
            try:
                ids[slot_of(pointer)] = instance_id
            except Misconfigured as error:
                about = fields(instances=[instance_id])
                self._elements.note(f"row {key_in(pointer)}", error, about)
                bad.append(instance_id)
        slots = self.slots(ids)
        named = {str(slot): instance_id for slot, instance_id in ids.items()}
        return Found(slots, [*bad, *(named[slot] for slot in slots.unreadable)])

    def claims_of(self, jobs: Collection[str]) -> Found[Claim]:
        """See `mayfly.ports.Fleet`."""
        claims = self._batch(Claim, jobs)
        claims.sort(key=lambda claim: claim.job)
        return claims

    def slots(self, keys: Collection[SlotKey]) -> Found[Instance]:
        """See `mayfly.ports.Fleet`."""
        slots = self._batch(Instance, keys)
        slots.sort(key=lambda slot: slot.key)
        return slots

    def ledger(self, queue: str) -> Ledger | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Ledger, queue)

    def queue(self, queue: str) -> QueueRecord | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(QueueRecord, queue)

    def standings(self) -> Sequence[Standing]:
        """See `mayfly.ports.Fleet`."""
        return self._list(Standing, STANDINGS_PARTITION)

    def standing(self, function: str, queue: str) -> Standing | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Standing, standing_name(function, queue))

    def lease(self) -> Lease | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Lease, "dispatch")

    def parameters_seen(self) -> Sequence[ParametersSeen]:
        """See `mayfly.ports.Fleet`."""
        return self._list(ParametersSeen, PARAMETERS_PARTITION)

    def prices(self) -> Prices | None:
        """See `mayfly.ports.Fleet`."""
        return self._get(Prices, "ec2")

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        """See `mayfly.ports.Fleet`."""
        touched = rows(changes, fence)
        if not touched:
            return
        try:
            commit(self._client, touched, self._tables, self._clock())
        except Conflict:
            if not any(self._made_room(row) for row in touched):
                raise
            commit(self._client, touched, self._tables, self._clock())

    def _made_room(self, row: Row) -> bool:
        """Whether this row was a ledger full of notes, and now has room for further ones."""
        item = self._item(row.key) if row.boots else None
        return item is not None and make_room(self._client, self._tables.fleet, item)

    def _get(self, kind: type[AnyRecord], name: str | SlotKey) -> AnyRecord | None:
        item = self._item(key_of(kind, name))
        # A row without version was never saved: FreeSlots ran before the queue's ledger existed.
        return read(kind, item, self._elements) if item and "version" in item else None

    def _batch(self, kind: type[AnyRecord], names: Iterable[str | SlotKey]) -> Found[AnyRecord]:
        keys = [{"pk": encode(key)} for key in {key_of(kind, name) for name in names}]
        found, bad = list[AnyRecord](), list[str]()
        for item in get_items(self._client, self._tables.fleet, keys, {}):
            try:
                found.append(read(kind, item, self._elements))
            except Misconfigured:
                bad.append(name_in(item))
        return Found(found, bad)

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
                with suppress(Misconfigured):
                    found.append(read(kind, item, self._elements))
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
