"""Switches that make the emulator misbehave, as Buildkite now and then does."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from .refusals import RefusedError


@dataclass(slots=True)
class _Scripted:
    """Answers that take the place of the real ones, for a number of calls."""

    endpoint: str
    status: int
    message: str
    headers: Mapping[str, str]
    times: int | None
    lost: bool


@dataclass(slots=True)
class Faults:
    """What is wrong with Buildkite at the moment; everything can be switched while it runs.

    Endpoints are named `<api>.<call>` (`stacks.list-scheduled-jobs`, `agent.acquire`, `rest.*`) and
    may be given as shell patterns.
    """

    outage: bool = False
    """Connections are accepted and dropped without an answer."""
    latency: timedelta = timedelta(0)
    """Added to every answer."""
    refused_tokens: set[str] = field(default_factory=set)
    """Tokens that have been revoked: 401."""
    unknown_queues: set[str] = field(default_factory=set)
    """Queues that the cluster no longer has: 404 for stacks, 422 for an agent that registers."""
    paused_queues: set[str] = field(default_factory=set)
    """Queues whose dispatch somebody paused."""
    endpoints: frozenset[str] = frozenset()
    """The endpoints that there are, once an emulator has taken these switches."""
    _scripted: list[_Scripted] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(
        self,
        endpoint: str,
        status: int,
        *,
        message: str = "Injected by the lab",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> None:
        """Answer matching calls with this status instead, without doing them.

        `times` None means until `clear`.

        Raises:
            ValueError: the emulator has no such endpoint.
        """
        self._add(_Scripted(endpoint, status, message, headers or {}, times, lost=False))

    def lose_answer(self, endpoint: str, *, times: int | None = 1) -> None:
        """Do matching calls, then drop the connection without an answer.

        Raises:
            ValueError: the emulator has no such endpoint.
        """
        self._add(_Scripted(endpoint, 0, "", {}, times, lost=True))

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._scripted.clear()
        self.outage = False
        self.latency = timedelta(0)
        for switch in (self.refused_tokens, self.unknown_queues, self.paused_queues):
            switch.clear()

    def before(self, endpoint: str) -> None:
        """Called before each call is done.

        Raises:
            RefusedError: a scripted answer takes its place.
        """
        scripted = self._take(endpoint, lost=False)
        if scripted:
            raise RefusedError(scripted.status, scripted.message, headers=scripted.headers)

    def loses_answer(self, endpoint: str) -> bool:
        """Called after each call is done: whether its answer gets lost."""
        return self._take(endpoint, lost=True) is not None

    def _add(self, scripted: _Scripted) -> None:
        if self.endpoints and not fnmatch.filter(self.endpoints, scripted.endpoint):
            raise ValueError(f"the emulator has no endpoint {scripted.endpoint!r}")
        with self._lock:
            self._scripted.append(scripted)

    def _take(self, endpoint: str, *, lost: bool) -> _Scripted | None:
        with self._lock:
            for scripted in self._scripted:
                if scripted.lost is not lost or not fnmatch.fnmatch(endpoint, scripted.endpoint):
                    continue
                if scripted.times is not None:
                    scripted.times -= 1
                    if scripted.times == 0:
                        self._scripted.remove(scripted)
                return scripted
        return None
