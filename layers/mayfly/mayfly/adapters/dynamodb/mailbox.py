"""The Mailbox port over DynamoDB: the only place that reads what instances write."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.dynamodb.attributes import Attribute, decode, encode
from mayfly.adapters.dynamodb.batches import delete_items, get_items
from mayfly.adapters.elements import UNREADABLE
from mayfly.metrics import Metric
from mayfly.observe import count
from mayfly.records.about import fields, host_of
from mayfly.scrubbing import scrub
from mayfly_protocol import PROTOCOL
from mayfly_protocol.moments import checked
from mayfly_protocol.order import Order, to_row
from mayfly_protocol.report import LARGEST, Report, encoded
from mayfly_protocol.rows import notice_row, start_row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


log = logging.getLogger(__name__)

_REPORT = TypeAdapter(Report)
_KEY_AND_REPORT = {
    "ProjectionExpression": "#key, #report",
    "ExpressionAttributeNames": {"#key": "key", "#report": "report"},
}


class DynamoMailbox:
    """Implements `mayfly.ports.Mailbox`. No method reads assignments: they hold tokens."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def reports(self, rows: Iterable[str]) -> Mapping[str, Report]:
        """See `mayfly.ports.Mailbox`."""
        reports: dict[str, Report] = {}
        keys = map(_key, dict.fromkeys(rows))
        for item in get_items(self._client, self._table, keys, _KEY_AND_REPORT):
            row = str(decode(item["key"]))
            if "report" in item and (report := _parsed(row, item["report"])):
                reports[row] = report
        return reports

    def notice(self, row: str, text: str, expires: datetime) -> None:
        """See `mayfly.ports.Mailbox`."""
        self._tell(notice_row(row), "notice", text, expires)

    def order(self, row: str, order: Order) -> None:
        """See `mayfly.ports.Mailbox`."""
        self._tell(start_row(row), "order", to_row(order), order.expires)

    def _tell(self, row: str, name: str, value: object, expires: datetime) -> None:
        """Write one attribute, and the row's expiry, into a row that only its host reads."""
        with translated():
            self._client.update_item(
                TableName=self._table,
                Key=_key(row),
                UpdateExpression="SET #told = :told, #expires = :expires",
                ExpressionAttributeNames={"#told": name, "#expires": "expires"},
                ExpressionAttributeValues={
                    ":told": encode(value),
                    ":expires": encode(int(expires.timestamp())),
                },
            )

    def remove(self, rows: Collection[str]) -> None:
        """See `mayfly.ports.Mailbox`."""
        of_host = (str, notice_row, start_row)
        names = [name(row) for row in dict.fromkeys(rows) for name in of_host]
        delete_items(self._client, self._table, map(_key, names))


def _parsed(row: str, attribute: Attribute) -> Report | None:
    """The report without secrets; None for one that breaks the protocol: logged and counted.

    Scrubbed here, because readers cut texts: half a secret shows no shape any more.
    """
    try:
        report = _read(decode(attribute))
        step, reason, words = map(scrub, (report.step, report.reason, report.words))
        return replace(report, step=step, reason=reason, words=words)
    except UNREADABLE as error:
        # The text of a ValidationError would repeat what a stranger on an instance wrote.
        why = error.errors(include_input=False) if isinstance(error, ValidationError) else error
        log.warning("unreadable report in %s: %s", row, why, extra=fields(instances=[host_of(row)]))
        count(Metric.UNREADABLE_REPORT)
        return None


def _read(found: object) -> Report:
    """The report. Raises ValueError for an excessive size, another protocol or another form."""
    text = encoded(found)
    if len(text) > LARGEST:
        raise ValueError(f"{len(text)} bytes, at most {LARGEST} are allowed")
    if not isinstance(found, Mapping) or found.get("protocol") != PROTOCOL:
        raise ValueError(f"the protocol is not {PROTOCOL}")
    report = _REPORT.validate_json(text, strict=True)
    if not report.boot:
        raise ValueError("the report names no boot id")
    return report if report.at is None else replace(report, at=checked(report.at))


def _key(row: str) -> dict[str, Any]:
    return {"key": encode(row)}
