"""Calls side by side, bounded in number and in time: a call that hangs holds up nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from mayfly.errors import FAILURES, Failure, Transient

Key = TypeVar("Key")
Value = TypeVar("Value")


def side_by_side(
    calls: Mapping[Key, Callable[[], Value]], *, at_once: int, seconds: float
) -> dict[Key, Value | Failure]:
    """By key: the call's value, or its failure. Other exceptions than `FAILURES` raise.

    A call that has not ended after `seconds` is a Transient failure. A call under way cannot be
    stopped and may still have its effect later, so a repetition must be harmless.
    """
    if not calls:
        return {}
    pool = ThreadPoolExecutor(max_workers=min(at_once, len(calls)))
    futures: dict[Key, Future[Value]] = {k: pool.submit(call) for k, call in calls.items()}
    wait(futures.values(), timeout=max(0.0, seconds))
    # Not `with`: leaving the block would wait for the calls that hang.
    pool.shutdown(wait=False, cancel_futures=True)
    answers: dict[Key, Value | Failure] = {}
    for key, future in futures.items():
        answer = _ended(future, seconds)
        answers[key] = answer
    return answers


def _ended(future: Future[Value], seconds: float) -> Value | Failure:
    if future.cancelled() or not future.done():
        return Transient(f"no answer within {seconds:g} seconds")
    try:
        return future.result()
    except FAILURES as error:
        return error
