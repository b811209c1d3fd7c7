"""Reads side by side, bounded in time: one that hangs holds up neither the others nor the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from mayfly_cli.findings import Unknown
from mayfly_cli.operations.threads import begun

Key = TypeVar("Key")
Value = TypeVar("Value")


def within(calls: Mapping[Key, Callable[[], Value]], seconds: float) -> dict[Key, Value | Unknown]:
    """By key: what the call returned; Unknown for a call that raised, or has not ended in time."""
    futures = begun(list(calls.values()))
    wait(futures, timeout=seconds)
    return {key: _read(each, seconds) for key, each in zip(calls, futures, strict=True)}


def _read(future: Future[Any], seconds: float) -> Any:
    if not future.done():
        return Unknown(f"no answer within {seconds:g} s")
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - whatever a read raises, its subject is unknown
        return Unknown(f"cannot be read: {type(error).__name__}: {error}")
