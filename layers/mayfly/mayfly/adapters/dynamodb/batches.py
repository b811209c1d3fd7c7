"""DynamoDB's batch calls, repeated for rows that DynamoDB leaves unprocessed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mayfly.adapters.aws.boto_errors import translated
from mayfly.batched import batched
from mayfly.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from mayfly.adapters.dynamodb.attributes import Item

_GET_AT_ONCE = 100
_WRITE_AT_ONCE = 25
_IDLE_CALLS = 3
"""Consecutive calls without any processed row before the batch raises Transient."""


def get_items(
    client: DynamoDBClient, table: str, keys: Iterable[Item], options: Mapping[str, Any]
) -> list[Item]:
    """The rows with these keys, in any order; keys without a row are omitted. Consistent read.

    `options` has further arguments of the request, such as a projection. Raises Transient when rows
    stay unread.
    """
    found: list[Item] = []

    def get(left: list[Any]) -> list[Any]:
        request: Any = {"Keys": left, "ConsistentRead": True, **options}
        with translated():
            answer: Any = client.batch_get_item(RequestItems={table: request})
        found.extend(answer["Responses"].get(table, []))
        undone: list[Any] = answer["UnprocessedKeys"].get(table, {}).get("Keys", [])
        return undone

    for batch in batched(keys, _GET_AT_ONCE):
        _until_processed(batch, get)
    return found


def delete_items(client: DynamoDBClient, table: str, keys: Iterable[Item]) -> None:
    """Remove the rows with these keys, if they exist. Raises Transient when rows remain."""

    def delete(left: list[Any]) -> list[Any]:
        with translated():
            answer: Any = client.batch_write_item(RequestItems={table: left})
        undone: list[Any] = answer["UnprocessedItems"].get(table, [])
        return undone

    for batch in batched(keys, _WRITE_AT_ONCE):
        _until_processed([{"DeleteRequest": {"Key": key}} for key in batch], delete)


def _until_processed(left: list[Any], attempt: Callable[[list[Any]], list[Any]]) -> None:
    """Call `attempt` until no row is unprocessed. Raises Transient after `_IDLE_CALLS` idle calls.

    DynamoDB leaves rows unprocessed when the rows are large or the table is throttled.
    """
    idle = 0
    while left:
        rest = attempt(left)
        idle = idle + 1 if len(rest) == len(left) else 0
        if idle == _IDLE_CALLS:
            raise Transient(f"DynamoDB left {len(rest)} rows unprocessed")
        left = rest
