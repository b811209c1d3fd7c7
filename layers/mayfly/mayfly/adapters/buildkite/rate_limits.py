"""What Buildkite allows a stack, endpoint by endpoint, as its answers say it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping

from mayfly.errors import Transient


class RateLimits:
    """Refuses a call that Buildkite would refuse, before it is made. Safe between threads.

    Source: buildkite/docs apis/agent_api/stacks.md: windows of a second per stack and endpoint;
    RateLimit-Remaining and -Reset with every answer, `reset` in the body of a 429. The client of
    agent-stack-k8s knows Retry-After alone, so that is taken too.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` counts seconds and never goes back."""
        self._clock = clock
        self._closed: dict[str, float] = {}
        self._lock = threading.Lock()

    def check(self, endpoint: str) -> None:
        """Raise Transient while the endpoint is closed, with the seconds until it opens."""
        with self._lock:
            wait = self._closed.get(endpoint, 0.0) - self._clock()
        if wait > 0:
            raise Transient(f"{endpoint}: Buildkite's limit is reached", retry_after=wait)

    def note(
        self, endpoint: str, status: int, headers: Mapping[str, str], reset: object = None
    ) -> float | None:
        """Close the endpoint if an answer says so. Returns the wait that it asks for, if any."""
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
    """So many calls in any second. Safe between threads."""

    def __init__(self, calls: int, clock: Callable[[], float]) -> None:
        self._made: deque[float] = deque(maxlen=calls)
        self._clock = clock
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one call: 0 when it may be made now, else the seconds until there is one."""
        with self._lock:
            now = self._clock()
            if len(self._made) == self._made.maxlen and now - self._made[0] < 1:
                return 1 - (now - self._made[0])
            self._made.append(now)
            return 0.0


def _seconds(value: object) -> float | None:
    """A wait in seconds. Retry-After may also be a date, which Buildkite does not send."""
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return None
