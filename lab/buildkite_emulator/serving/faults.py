"""Switches that make the emulator misbehave, as Buildkite now and then does."""

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
    """What can be switched on from outside: by endpoint, or by queue for the last two."""

    ANSWER = "buildkite-answer"
    """The answer is this status instead; the call is not done."""
    LOST = "buildkite-lost"
    """The call is done, and its answer is lost."""
    SLOW = "buildkite-slow"
    """The call is done so many seconds late."""
    OUTAGE = "buildkite-outage"
    """The connection breaks without an answer."""
    PAUSED = "queue-paused"
    """Somebody paused the queue's dispatch."""
    UNKNOWN = "queue-unknown"
    """Somebody removed the queue."""


class Strike(Protocol):
    """One stroke of a switch that is on."""

    @property
    def value(self) -> str:
        """What the switch was set to, as `429`."""

    @property
    def seconds(self) -> float:
        """The value as a duration."""


class Switches(Protocol):
    """Where switches are turned on and off. Asked from any thread."""

    def take(self, name: str, target: str, /) -> Strike | None:
        """The stroke of this switch on an endpoint or queue, counted; None where none is on."""


class NoSwitches:
    """Nothing is ever switched on."""

    def take(self, name: str, target: str, /) -> Strike | None:
        """None."""
        del name, target
        return None


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
    switches: Switches = field(default_factory=NoSwitches)
    """Asked at each call, besides what is set here."""
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

    def delay(self, endpoint: str) -> float:
        """Seconds until a call is done that has just arrived."""
        slow = self.switches.take(Switch.SLOW, endpoint)
        return self.latency.total_seconds() + (slow.seconds if slow else 0.0)

    def before(self, endpoint: str) -> None:
        """Called before each call is done.

        Raises:
            RefusedError: a scripted answer takes its place.
        """
        if switched := self.switches.take(Switch.ANSWER, endpoint):
            headers = {"RateLimit-Reset": "1"} if switched.value == "429" else {}
            raise RefusedError(int(switched.value), "Injected by the lab", headers=headers)
        scripted = self._take(endpoint, lost=False)
        if scripted:
            raise RefusedError(scripted.status, scripted.message, headers=scripted.headers)

    def loses_answer(self, endpoint: str) -> bool:
        """Called after each call is done: whether its answer gets lost."""
        if self.switches.take(Switch.LOST, endpoint):
            return True
        return self._take(endpoint, lost=True) is not None

    def drops(self, endpoint: str) -> bool:
        """Whether a call finds nobody who answers."""
        return self.outage or self.switches.take(Switch.OUTAGE, endpoint) is not None

    def is_paused(self, queue: str) -> bool:
        """Whether somebody paused the queue."""
        return queue in self.paused_queues or self._switched(Switch.PAUSED, queue)

    def is_unknown(self, queue: str) -> bool:
        """Whether the cluster no longer has the queue."""
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
