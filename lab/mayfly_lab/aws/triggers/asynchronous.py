"""Asynchronous invocation: Lambda's own queue, with its retries and its age limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mayfly_lab.aws.functions.functions import Functions, ThrottledError
from mayfly_lab.aws.world import World

# Lambda developer guide "How Lambda handles errors and retries with asynchronous invocation".
RETRY_SECONDS = (60.0, 120.0)
FIRST_BACKOFF_SECONDS = 1.0
MOST_BACKOFF_SECONDS = 300.0
_THREADS = 64


@dataclass(slots=True)
class AsyncInvoker:
    """Accepts events for functions, and invokes the functions with Lambda's retries."""

    world: World
    functions: Functions
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="invoke")

    def submit(self, name: str, event: Any) -> None:
        """Accept an event for a function (by ARN or name), and return at once.

        Raises:
            KeyError: the function is unknown.
        """
        arn = self.functions.spec(name).arn
        self._resubmit(_Accepted(arn, event, self.world.clock()))

    def stop(self) -> None:
        """Accept no more events, and wait for running invocations."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _attempt(self, accepted: _Accepted) -> None:
        try:
            outcome = self.functions.invoke(accepted.arn, accepted.event)
        except ThrottledError:
            # A throttled attempt does not count as a retry; only the event's age limits it.
            accepted.throttled += 1
            backoff = FIRST_BACKOFF_SECONDS * 2 ** (accepted.throttled - 1)
            self._again(accepted, min(backoff, MOST_BACKOFF_SECONDS), "Throttled")
            return
        if outcome.ok:
            return
        retries = self.functions.spec(accepted.arn).max_retries
        if accepted.failed >= retries:
            self._drop(accepted, "RetriesExhausted")
            return
        accepted.failed += 1
        self._again(accepted, RETRY_SECONDS[accepted.failed - 1], "FunctionError")

    def _again(self, accepted: _Accepted, seconds: float, why: str) -> None:
        age = self.world.clock() + seconds - accepted.at
        if age > self.functions.spec(accepted.arn).max_event_age:
            self._drop(accepted, f"{why}: EventAgeExceeded")
        else:
            self.world.timers.after(seconds, partial(self._resubmit, accepted))

    def _resubmit(self, accepted: _Accepted) -> None:
        self._pool.submit(self.world.timers.attempt, partial(self._attempt, accepted))

    def _drop(self, accepted: _Accepted, why: str) -> None:
        name = self.functions.spec(accepted.arn).name
        self.world.journal.happened("lambda", "EventDropped", FunctionName=name, reason=why)


@dataclass(slots=True)
class _Accepted:
    arn: str
    event: Any
    at: float
    failed: int = 0
    throttled: int = 0
