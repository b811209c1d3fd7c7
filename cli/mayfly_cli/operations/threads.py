"""Calls in daemon threads, at most `AT_ONCE` at the same time.

Python waits at its exit for the threads of a ThreadPoolExecutor, so a call that hangs would hold up
the command's end after an error, after a time limit, or after Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Value = TypeVar("Value")

AT_ONCE = 16


def begun(calls: Sequence[Callable[[], Value]]) -> list[Future[Value]]:
    """Begin the calls, or queue them behind others. Returns one future a call, in their order."""
    futures = [Future[Value]() for _ in calls]
    waiting = SimpleQueue[tuple[Future[Value], Callable[[], Value]]]()
    for pair in zip(futures, calls, strict=True):
        waiting.put(pair)
    for _ in range(min(AT_ONCE, len(calls))):
        Thread(target=_work, args=(waiting,), daemon=True).start()
    return futures


def _work(waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]]]) -> None:
    while True:
        try:
            future, call = waiting.get_nowait()
        except Empty:
            return
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets the error
            future.set_exception(error)
