"""Buildkite's rate limits for a stack, per endpoint, from Buildkite's answers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from math import isnan

from mayfly.errors import Transient

LONGEST_WAIT = 60.0
"""Seconds. A longer wait in an answer is cut, so that no answer closes an endpoint for good."""


class RateLimits:
    """Refuses a call that Buildkite would refuse, before the call is made. Thread-safe.

    Source: buildkite/docs apis/agent_api/stacks.md: windows of one second per stack and endpoint;
    RateLimit-Remaining and -Reset with every answer, `reset` in the body of a 429. The client of
    agent-stack-k8s reads only Retry-After, so Mayfly reads that header too.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds and never goes back."""
        self._clock = clock
        self._closed: dict[str, float] = {}
        self._lock = threading.Lock()

    def check(self, endpoint: str) -> None:
        """Raise Transient while the endpoint is closed; `retry_after` is the rest of the wait."""
        with self._lock:
            wait = self._closed.get(endpoint, 0.0) - self._clock()
        if wait > 0:
            raise Transient(f"{endpoint}: Buildkite's rate limit is reached", retry_after=wait)

    def note(
        self, endpoint: str, status: int, headers: Mapping[str, str], reset: object = None
    ) -> float | None:
        """Close the endpoint if an answer demands a wait.

        Returns the wait in seconds, or None when the answer has none. `reset` is the value from
        the answer's body.
        """
        waits = [_seconds(headers.get("Retry-After")), _seconds(reset)]
        if status == 429 or _seconds(headers.get("RateLimit-Remaining")) == 0:
            waits.append(_seconds(headers.get("RateLimit-Reset")))
        asked = max((wait for wait in waits if wait is not None), default=None)
        if status == 429 and asked is None:
            asked = 1.0  # the length of every window
        if asked:
            with self._lock:
                self._closed[endpoint] = self._clock() + asked
        return asked


class Allowance:
    """At most `calls` calls in any second. Thread-safe."""

    def __init__(self, calls: int, clock: Callable[[], float]) -> None:
        self._made: deque[float] = deque(maxlen=calls)
        self._clock = clock
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one call if one is left. Returns 0, else the seconds until a call is allowed."""
        with self._lock:
            now = self._clock()
            if len(self._made) == self._made.maxlen and now - self._made[0] < 1:
                return 1 - (now - self._made[0])
            self._made.append(now)
            return 0.0


def _seconds(value: object) -> float | None:
    """A wait in seconds, at most LONGEST_WAIT; None for other values.

    Buildkite sends no Retry-After as a date, and its windows are one second long.
    """
    try:
        found = float(str(value))
    except ValueError:
        return None
    return None if isnan(found) else min(max(0.0, found), LONGEST_WAIT)
