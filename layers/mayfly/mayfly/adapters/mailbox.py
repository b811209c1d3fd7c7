"""The Mailbox port over DynamoDB: what instances write is read here, and nowhere else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from mayfly.adapters.attributes import Attribute, Item, decode, encode
from mayfly.adapters.boto_errors import translated
from mayfly.errors import Transient
from mayfly.observe import count
from mayfly.ports import Report

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from mayfly.adapters.clients import Lazy

log = logging.getLogger(__name__)

LONGEST_REPORT = 4096
"""Bytes of a report as compact JSON."""
_GET_AT_ONCE = 100
_WRITE_AT_ONCE = 25
_FRUITLESS = 3
"""Rounds in a row in which DynamoDB may leave everything undone before that is an error."""


class WrittenReport(BaseModel):
    """A report as an instance writes it, which may be in a stranger's hands."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    protocol: Literal[1]
    phase: Literal["booting", "bootstrapped", "sandboxed", "assigned", "running", "done", "failed"]
    boot: str = Field(min_length=1)
    at: AwareDatetime | None = Field(default=None, strict=False)
    step: str = ""
    job: str = ""
    exit: int | None = None
    reason: str = ""
    words: str = ""
    agent: str = ""


class DynamoMailbox:
    """Implements `mayfly.ports.Mailbox`. No method reads an assignment, for it holds a token."""

    def __init__(self, client: Lazy[DynamoDBClient], table: str) -> None:
        self._client = client
        self._table = table

    def reports(self, rows: Iterable[str]) -> Mapping[str, Report]:
        """See `mayfly.ports.Mailbox`."""
        reports: dict[str, Report] = {}
        for some in _batches(rows, _GET_AT_ONCE):
            for item in self._items(some):
                row = str(decode(item["key"]))
                if "report" in item and (report := _parsed(row, item["report"])):
                    reports[row] = report
        return reports

    def notice(self, row: str, text: str, expires: datetime) -> None:
        """See `mayfly.ports.Mailbox`."""
        with translated():
            self._client().update_item(
                TableName=self._table,
                Key=_key(row),
                UpdateExpression="SET #notice = :notice, #expires = :expires",
                ExpressionAttributeNames={"#notice": "notice", "#expires": "expires"},
                ExpressionAttributeValues={
                    ":notice": encode(text),
                    ":expires": encode(int(expires.timestamp())),
                },
            )

    def remove(self, rows: Collection[str]) -> None:
        """See `mayfly.ports.Mailbox`."""

        def delete(left: list[Any]) -> list[Any]:
            with translated():
                answer: Any = self._client().batch_write_item(RequestItems={self._table: left})
            undone: list[Any] = answer["UnprocessedItems"].get(self._table, [])
            return undone

        for some in _batches(rows, _WRITE_AT_ONCE):
            _persist([{"DeleteRequest": {"Key": _key(row)}} for row in some], delete)

    def _items(self, rows: list[str]) -> list[Item]:
        found: list[Item] = []

        def get(left: list[Any]) -> list[Any]:
            request: Any = {
                "Keys": left,
                "ConsistentRead": True,
                "ProjectionExpression": "#key, #report",
                "ExpressionAttributeNames": {"#key": "key", "#report": "report"},
            }
            with translated():
                answer: Any = self._client().batch_get_item(RequestItems={self._table: request})
            found.extend(answer["Responses"].get(self._table, []))
            undone: list[Any] = answer["UnprocessedKeys"].get(self._table, {}).get("Keys", [])
            return undone

        _persist([_key(row) for row in rows], get)
        return found


def _persist(left: list[Any], attempt: Callable[[list[Any]], list[Any]]) -> None:
    """Try again what DynamoDB leaves undone: large rows, or a throttle. Raises Transient."""
    fruitless = 0
    while left:
        rest = attempt(left)
        fruitless = fruitless + 1 if len(rest) == len(left) else 0
        if fruitless == _FRUITLESS:
            raise Transient(f"DynamoDB leaves {len(rest)} rows undone")
        left = rest


def _parsed(row: str, attribute: Attribute) -> Report | None:
    """A report that keeps to the protocol; None for any other, which is logged."""
    try:
        written = WrittenReport.model_validate(_bounded(decode(attribute)))
    except ValueError as error:
        # Not `error` itself for a ValidationError: it would repeat what a stranger wrote.
        why = error.errors(include_input=False) if isinstance(error, ValidationError) else error
        log.warning("unreadable report in %s: %s", row, why)
        count("UnreadableReport")
        return None
    return Report(**written.model_dump(exclude={"protocol"}))


def _bounded(report: object) -> object:
    size = len(json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode())
    if size > LONGEST_REPORT:
        raise ValueError(f"{size} bytes, at most {LONGEST_REPORT} are allowed")
    return report


def _key(row: str) -> dict[str, Any]:
    return {"key": encode(row)}


def _batches(rows: Iterable[str], size: int) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(rows))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]
