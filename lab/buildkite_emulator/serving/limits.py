"""The Stacks API's rate limits: a sliding window of one second per stack key and endpoint.

Source: buildkite/docs apis/agent_api/stacks.md, "Rate limiting". The page names no scope for
register and job-acquisition-tokens; the emulator assumes `default`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from .refusals import RefusedError

WINDOW = timedelta(seconds=1)
DEFAULT_SCOPE = "default"
LIMITS: Mapping[str, int] = {
    "list-scheduled-jobs": 10,
    "batch-reserve": 10,
    "show-job": 1000,
    "batch-load-job-states": 20,
    "finish-job": 100,
    "stack-notification": 200,
    DEFAULT_SCOPE: 10,
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """The remaining calls of a stack at an endpoint, for the answer's headers."""

    scope: str
    limit: int
    remaining: int

    def headers(self) -> dict[str, str]:
        """The RateLimit-* headers."""
        return {
            "RateLimit-Scope": self.scope,
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(int(WINDOW.total_seconds())),
        }


class RateLimits:
    """Counts the calls of each stack key and endpoint."""

    def __init__(self) -> None:
        self._calls: defaultdict[tuple[str, str], deque[datetime]] = defaultdict(deque)

    def count(self, stack_key: str, endpoint: str, scope: str, now: datetime) -> Allowance:
        """Count one call. Returns the remaining allowance.

        Raises:
            RefusedError: 429 for a full window; the refused call is not counted.
        """
        limit = LIMITS[scope]
        calls = self._calls[stack_key, endpoint]
        while calls and calls[0] <= now - WINDOW:
            calls.popleft()
        if len(calls) >= limit:
            raise _exceeded(Allowance(scope, limit, 0), current=len(calls) + 1)
        calls.append(now)
        return Allowance(scope, limit, limit - len(calls))


def _exceeded(allowance: Allowance, current: int) -> RefusedError:
    return RefusedError(
        429,
        "You have exceeded your API rate limit. Please wait 1 seconds before making more requests.",
        headers=allowance.headers(),
        fields={
            "scope": allowance.scope,
            "limit": allowance.limit,
            "current": current,
            "reset": int(WINDOW.total_seconds()),
        },
    )
