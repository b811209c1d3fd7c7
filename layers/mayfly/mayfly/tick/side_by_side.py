"""Calls side by side, bounded in number and in time: a call that hangs holds up nothing else.

`side_by_side` is for calls that are all known when they begin, `Calls` for calls that begin one by
one while a tick goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from mayfly.errors import FAILURES, Failure, Transient
from mayfly.tick.edge import Edge

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


@dataclass(slots=True)
class Calls(Generic[Key, Value]):
    """Calls that begin one by one. Answers are taken as calls end.

    At most `at_once` run side by side. A call without an answer after `seconds`, or at the edge's
    `stop_at`, is a Transient failure; as in `side_by_side` the call may have its effect later.
    """

    edge: Edge
    at_once: int
    seconds: float
    _pool: ThreadPoolExecutor = field(init=False)
    _open: dict[Key, tuple[Future[Value], datetime]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=self.at_once)

    def begin(self, key: Key, call: Callable[[], Value]) -> None:
        """Begin a call, or queue the call behind `at_once` others. Each open call has its key."""
        due = min(self.edge.clock() + timedelta(seconds=self.seconds), self.edge.stop_at)
        self._open[key] = self._pool.submit(call), due

    def answers(self) -> Iterator[tuple[Key, Value | Failure]]:
        """Pairs of key and value or failure, as calls end. Further calls may begin meanwhile.

        Other exceptions than `FAILURES` raise.
        """
        try:
            while self._open:
                due = min(due for _, due in self._open.values())
                left = max(0.0, (due - self.edge.clock()).total_seconds())
                wait([f for f, _ in self._open.values()], left, FIRST_COMPLETED)
                over = [k for k, (f, _) in self._open.items() if f.done()]
                over = over or [k for k, (_, limit) in self._open.items() if limit <= due]
                for key in over:
                    future, _ = self._open.pop(key)
                    answer = _ended(future, self.seconds)
                    yield key, answer
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
