"""Reads side by side, bounded in time: one that hangs holds up neither the others nor the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import TypeVar

from mayfly_cli.findings import Unknown

Key = TypeVar("Key")
Value = TypeVar("Value")

AT_ONCE = 16
"""Reads under way at the same time."""


def within(calls: Mapping[Key, Callable[[], Value]], seconds: float) -> dict[Key, Value | Unknown]:
    """By key: what the call returned; Unknown for a call that raised, or has not ended in time.

    The threads are daemons, because Python waits at its exit for those of a ThreadPoolExecutor, and
    so for a call that hangs.
    """
    waiting, ended = SimpleQueue[Key](), SimpleQueue[tuple[Key, Value | Unknown]]()
    for key in calls:
        waiting.put(key)

    def work() -> None:
        while True:
            try:
                key = waiting.get_nowait()
            except Empty:
                return
            ended.put((key, _called(calls[key])))

    for _ in range(min(AT_ONCE, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    found: dict[Key, Value | Unknown] = {}
    until = time.monotonic() + seconds
    while len(found) < len(calls):
        try:
            key, value = ended.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            break
        found[key] = value
    return {key: found.get(key, Unknown(f"no answer within {seconds:g} s")) for key in calls}


def _called(call: Callable[[], Value]) -> Value | Unknown:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever a read raises, its subject is unknown
        return Unknown(f"cannot be read: {type(error).__name__}: {error}")
