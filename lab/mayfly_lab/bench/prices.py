"""Prices of calls in us-east-1 in November 2026, in USD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mayfly_lab.aws.front.journal import Entry

MONTH = 30.4 * 24 * 3600
"""Seconds in a month."""
LAMBDA_SECOND = 0.5 * 0.0000133334
"""Price of one second of a function of 512 MB on arm64."""
_READ, _WRITE = 0.125e-6, 0.625e-6
# For small rows: a consistent read is one unit, an eventually consistent read (an index) half.
_READS = frozenset({"Query", "GetItem", "BatchGetItem"})
# dispatch renews its lease by a transaction or a conditional put of one small row.
_WRITE_UNITS: Mapping[str, float] = {"PutItem": 1, "UpdateItem": 1, "TransactWriteItems": 4}


def of_call(call: Entry) -> float:
    """Price of one call on one small row, in USD; 0 for services that do not charge for calls."""
    if call.service != "dynamodb":
        return 0.0
    if call.operation in _READS:
        return _READ if _is_consistent(call) else _READ / 2
    return _WRITE_UNITS.get(call.operation, 0) * _WRITE


def of_calls(calls: Iterable[Entry]) -> float:
    """Price of all `calls`, in USD."""
    return sum(map(of_call, calls))


def _is_consistent(call: Entry) -> bool:
    tables = call.request.get("RequestItems", {}).values()
    return any(asked.get("ConsistentRead") is True for asked in (call.request, *tables))
