"""Calls that Buildkite fails in a row: during an outage each kind of call is made more rarely."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from mayfly.errors import Transient

PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds from a failed call's start to the next call, by failures in a row; then the last one.

A single failure costs no pause. With the last pause, the read time-out and one tick, a call is
under way within about 5 s of Buildkite's return.
"""
MOST_KNOWN = 1000
"""Failing subjects remembered; the subject whose pause ends first gives way."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Transient
    times: int
    noted_at: float
    again_at: float


class Failures:
    """Remembers failures in a row by subject: one kind of call about one queue, or one call.

    Thread-safe. Kept in memory: a new Lambda sandbox makes two calls before its first pause.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds and never goes back."""
        self._clock = clock
        self._known: dict[str, _Failure] = {}
        self._lock = threading.Lock()

    def check(self, subject: str) -> None:
        """Raise the last failure while its pause lasts; `retry_after` is the rest of the pause."""
        with self._lock:
            known = self._known.get(subject)
            wait = 0.0 if known is None else known.again_at - self._clock()
        if known is not None and wait > 0:
            raise Transient(str(known.error), retry_after=wait)

    def note(self, subject: str, error: Transient, began: float) -> None:
        """Remember the failure of a call that began then.

        Calls that were under way together count as one. The pause runs from the call's start: a
        time-out is a pause already.
        """
        with self._lock:
            known = self._known.get(subject)
            if known is not None and began < known.noted_at:
                return
            if known is None and len(self._known) >= MOST_KNOWN:
                del self._known[min(self._known, key=lambda each: self._known[each].again_at)]
            times = 1 if known is None else known.times + 1
            pause = PAUSES[min(times, len(PAUSES)) - 1]
            self._known[subject] = _Failure(error, times, self._clock(), began + pause)

    def forget(self, subject: str) -> None:
        """Forget failures: Buildkite answered a call."""
        with self._lock:
            self._known.pop(subject, None)
