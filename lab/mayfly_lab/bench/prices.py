"""What calls cost: prices of us-east-1 in November 2026, in USD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mayfly_lab.front.journal import Entry

MONTH = 30.4 * 24 * 3600
"""Seconds."""
LAMBDA_SECOND = 0.5 * 0.0000133334
"""A second of a function of 512 MB on arm64."""
_READ, _WRITE = 0.125e-6, 0.625e-6
# A query of an index that finds next to nothing is half a read unit, a consistent get is one.
_READ_UNITS: Mapping[str, float] = {"Query": 0.5, "GetItem": 1, "BatchGetItem": 1}
# dispatch renews its lease by a transaction or a conditional put of one small row.
_WRITE_UNITS: Mapping[str, float] = {"PutItem": 1, "UpdateItem": 1, "TransactWriteItems": 4}


def of_operation(service: str, operation: str) -> float:
    """The price of one call on one small row; 0 where AWS charges nothing for calls."""
    if service != "dynamodb":
        return 0.0
    return _READ_UNITS.get(operation, 0) * _READ + _WRITE_UNITS.get(operation, 0) * _WRITE


def of_calls(calls: Iterable[Entry]) -> float:
    """The price of these calls."""
    return sum(of_operation(call.service, call.operation) for call in calls)
