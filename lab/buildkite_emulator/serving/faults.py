"""Switches for faults that Buildkite sometimes shows."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from .refusals import RefusedError


class Switch(StrEnum):
    """Faults that can be switched from outside: by queue for the last two, else by endpoint."""

    ANSWER = "buildkite-answer"
    """The call gets this status as its answer and is not executed."""
    LOST = "buildkite-lost"
    """The call is executed, and its answer is lost."""
    SLOW = "buildkite-slow"
    """The call is executed after this many seconds."""
    OUTAGE = "buildkite-outage"
    """The connection breaks without an answer."""
    PAUSED = "queue-paused"
    """A person paused the queue's dispatch."""
    UNKNOWN = "queue-unknown"
    """A person removed the queue."""


class Strike(Protocol):
    """One application of a switch to a call."""

    @property
    def value(self) -> str:
        """The switch's setting, such as `429`."""

    @property
    def seconds(self) -> float:
        """The setting as a duration in seconds."""


class Switches(Protocol):
    """The source of switched faults. Called from any thread."""

    def take(self, name: str, target: str, /) -> Strike | None:
        """The switch's strike on this endpoint or queue, which is counted; None if it is off."""


class NoSwitches:
    """Switches that are always off."""

    def take(self, name: str, target: str, /) -> Strike | None:
        """Always None."""
        del name, target
        return None


@dataclass(slots=True)
class _Scripted:
    """An injected answer for a number of calls."""

    endpoint: str
    status: int
    message: str
    headers: Mapping[str, str]
    times: int | None
    lost: bool


@dataclass(slots=True)
class Faults:
    """The emulator's present faults; each can change while it runs.

    Endpoints are named `<api>.<call>` (`stacks.list-scheduled-jobs`, `agent.acquire`, `rest.*`) and
    may be given as shell patterns.
    """

    outage: bool = False
    """Connections are accepted and dropped without an answer."""
    latency: timedelta = timedelta(0)
    """Added to every answer."""
    refused_tokens: set[str] = field(default_factory=set)
    """Revoked tokens: 401."""
    unknown_queues: set[str] = field(default_factory=set)
    """Removed queues: 404 for stacks, 422 for an agent that registers."""
    paused_queues: set[str] = field(default_factory=set)
    """Queues with paused dispatch."""
    switches: Switches = field(default_factory=NoSwitches)
    """A second source of faults, asked at each call."""
    endpoints: frozenset[str] = frozenset()
    """Names of all endpoints; empty until an emulator sets them."""
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
        """Answer matching calls with this status, without executing them.

        `times` None means until `clear`.

        Raises:
            ValueError: no endpoint of the emulator matches.
        """
        self._add(_Scripted(endpoint, status, message, headers or {}, times, lost=False))

    def lose_answer(self, endpoint: str, *, times: int | None = 1) -> None:
        """Execute matching calls, then drop the connection without an answer.

        Raises:
            ValueError: no endpoint of the emulator matches.
        """
        self._add(_Scripted(endpoint, 0, "", {}, times, lost=True))

    def clear(self) -> None:
        """Switch all faults off, except `switches`."""
        with self._lock:
            self._scripted.clear()
        self.outage = False
        self.latency = timedelta(0)
        for switch in (self.refused_tokens, self.unknown_queues, self.paused_queues):
            switch.clear()

    def delay(self, endpoint: str) -> float:
        """Seconds of delay before the execution of a call."""
        slow = self.switches.take(Switch.SLOW, endpoint)
        return self.latency.total_seconds() + (slow.seconds if slow else 0.0)

    def raise_injected(self, endpoint: str) -> None:
        """Check for an injected answer before a call is executed.

        Raises:
            RefusedError: the injected answer.
        """
        if switched := self.switches.take(Switch.ANSWER, endpoint):
            headers = {"RateLimit-Reset": "1"} if switched.value == "429" else {}
            raise RefusedError(int(switched.value), "Injected by the lab", headers=headers)
        scripted = self._take(endpoint, lost=False)
        if scripted:
            raise RefusedError(scripted.status, scripted.message, headers=scripted.headers)

    def loses_answer(self, endpoint: str) -> bool:
        """True if the answer of an executed call must be lost; uses up one injected loss."""
        if self.switches.take(Switch.LOST, endpoint):
            return True
        return self._take(endpoint, lost=True) is not None

    def drops_connection(self, endpoint: str) -> bool:
        """True if the connection must break before the call is executed."""
        return self.outage or self.switches.take(Switch.OUTAGE, endpoint) is not None

    def is_paused(self, queue: str) -> bool:
        """True if the queue's dispatch is paused."""
        return queue in self.paused_queues or self._switched(Switch.PAUSED, queue)

    def is_unknown(self, queue: str) -> bool:
        """True if the queue is removed from the cluster."""
        return queue in self.unknown_queues or self._switched(Switch.UNKNOWN, queue)

    def _switched(self, switch: Switch, queue: str) -> bool:
        return self.switches.take(switch, queue) is not None

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
