"""The History port over DynamoDB: one query of the index `closed` for each page."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.dynamodb.attributes import encode
from mayfly.adapters.dynamodb.reading import key_in, read
from mayfly.adapters.dynamodb.records import (
    CHANGES_PARTITION,
    closed_place,
    closed_prefix,
)
from mayfly.adapters.elements import Elements
from mayfly.errors import Misconfigured
from mayfly.records.audit import ParameterChange, SpecChange
from mayfly.records.model import AnyRecord, Claim, Instance, Launch
from mayfly.records.pages import Page

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE = 500
"""Most records of a page. DynamoDB ends a page at 1 MB too, which is about as many claims."""


class DynamoHistory:
    """Implements `mayfly.ports.History` over the Fleet table that template.yaml declares."""

    def __init__(self, client: DynamoDBClient, table: str, page: int = PAGE) -> None:
        """`page` is the most records of a page."""
        self._client = client
        self._table = table
        self._page = page
        self._elements = Elements()

    def claims(self, queue: str, start: datetime, end: datetime, after: str = "") -> Page[Claim]:
        """See `mayfly.ports.History`."""
        return self._query(Claim, queue, start, end, after)

    def instances(
        self, queue: str, start: datetime, end: datetime, after: str = "", most: int | None = None
    ) -> Page[Instance]:
        """See `mayfly.ports.History`."""
        return self._query(Instance, queue, start, end, after, most=most)

    def launches(self, queue: str, start: datetime, end: datetime, after: str = "") -> Page[Launch]:
        """See `mayfly.ports.History`."""
        return self._query(Launch, queue, start, end, after)

    def changes(self, start: datetime, end: datetime, after: str = "") -> Page[ParameterChange]:
        """See `mayfly.ports.History`."""
        return self._query(ParameterChange, CHANGES_PARTITION, start, end, after)

    def spec_changes(self, start: datetime, end: datetime, after: str = "") -> Page[SpecChange]:
        """See `mayfly.ports.History`."""
        return self._query(SpecChange, CHANGES_PARTITION, start, end, after)

    def _query(  # noqa: PLR0913 - what makes a page
        self,
        kind: type[AnyRecord],
        partition: str,
        start: datetime,
        end: datetime,
        after: str,
        *,
        most: int | None = None,
    ) -> Page[AnyRecord]:
        # Every record of the time `end` sorts after the bare prefix, so `end` itself is left out.
        first, last = closed_prefix(kind, start), closed_prefix(kind, end)
        if first >= last:
            return Page(())  # DynamoDB refuses a span whose end is before its start.
        where = "closed_queue = :queue AND closed_at BETWEEN :first AND :last"
        begin: Any = {"ExclusiveStartKey": closed_place(partition, after)} if after else {}
        with translated():
            answer = self._client.query(
                TableName=self._table,
                IndexName="closed",
                KeyConditionExpression=where,
                ExpressionAttributeValues={
                    ":queue": encode(partition),
                    ":first": encode(first),
                    ":last": encode(last),
                },
                ScanIndexForward=False,
                Limit=min(self._page, most or self._page),
                **begin,
            )
        found, bad = list[AnyRecord](), list[str]()
        for item in answer["Items"]:
            try:
                found.append(read(kind, item, self._elements))
            except Misconfigured:
                bad.append(key_in(item))
        left: Any = answer.get("LastEvaluatedKey", {})
        return Page(tuple(found), left["closed_at"]["S"] if left else "", tuple(bad))
