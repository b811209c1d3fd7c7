"""Scripted errors for later calls of a fake."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock


class Faults:
    """Base of every fake: counts calls by method, and raises the errors that a test scripts.

    Thread-safe: one call of a fake at a time. A call that a test replaces may hang beside others.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self.calls: Counter[str] = Counter()
        """How often each method was called, failures included."""
        self._script: dict[str, deque[tuple[Exception, bool]]] = {}

    def fail_next(self, call: str, error: Exception, *, times: int = 1, done: bool = False) -> None:
        """Make the next calls of a method raise `error`; if `done`, after doing their work.

        `done` plays a lost answer: the effect has happened, and the caller does not know. Errors
        for one method are raised in the order in which they were scripted.
        """
        getattr(self, call)  # a misspelt name must not script a fault that never comes
        self._script.setdefault(call, deque()).extend([(error, done)] * times)

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        with self._lock:
            self.calls[name] += 1
            script = self._script.get(name)
            error, done = script.popleft() if script else (None, False)
            if error and not done:
                raise error
            yield
            if error:
                raise error
