"""A fault, or a second invocation in between, at the n-th call to any port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock

from mayfly_fakes import Faults
from tests.unit.world import World

EFFECTS = frozenset(
    {
        "write",
        "create_fleet",
        "replace_profile",
        "terminate",
        "stop",
        "start",
        "order",
        "register",
        "reserve",
        "tokens",
        "finish",
        "notice",
        "remove",
        "keep",
        "send",
    }
)
"""Calls that change something. A death between two of them has one result, at whatever line."""
READS = frozenset(
    {
        "queues",
        "claims",
        "instances",
        "launches",
        "strays",
        "claim",
        "instance",
        "instance_of",
        "instances_of",
        "slots",
        "claims_of",
        "ledger",
        "queue",
        "jobs",
        "environment",
        "states",
        "under",
        "values",
        "policies",
        "reports",
        "associations",
        "console",
    }
)
"""Calls that change nothing."""


class Crash(BaseException):
    """The function is dead: no `except` of its own sees this."""


@dataclass(slots=True)
class Fuse:
    """Blows at the n-th counted call, before or after the effect of the call."""

    blows_at: int
    error: BaseException | None
    """Raised when the fuse blows; None calls `between` instead."""
    counts: Collection[str] = EFFECTS
    after: bool = False
    between: Callable[[], object] | None = None
    """Called when the fuse blows without error; None invokes the running function once more."""
    blown: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    count: int = 0
    running: Callable[[], object] | None = None
    """The function that runs; calls of the test itself are not counted."""
    lock: Lock = field(default_factory=Lock)

    def into(self, world: World) -> World:
        """Wire the fuse into every port of a world; returns the world."""
        for port in world.ports:
            vars(port)["_call"] = self._around(port)
        return world

    def set(
        self,
        blows_at: int,
        error: BaseException | None = None,
        *,
        counts: Collection[str] = EFFECTS,
        after: bool = False,
    ) -> None:
        """Prepare the fuse for another run: nothing counted, not blown."""
        self.blows_at, self.error, self.counts, self.after = blows_at, error, counts, after
        self.count, self.blown = 0, False

    def run(self, function: Callable[[], object]) -> None:
        """Invoke a function once; its Crash is suppressed."""
        self.running = function
        with suppress(Crash):
            function()
        self.running = None

    def _around(self, port: Faults) -> Callable[[str], AbstractContextManager[None]]:
        original = port._call

        @contextmanager
        def call(name: str) -> Iterator[None]:
            blows = self._counted(name)
            if blows and not self.after:
                self._blow()
            with original(name):
                yield
            if blows and self.after:
                self._blow()

        return call

    def _counted(self, name: str) -> bool:
        with self.lock:  # dispatch reads its queues side by side
            if self.running is None:
                return False
            self.seen[name] += 1
            if name not in self.counts:
                return False
            self.count += 1
            blows = self.count == self.blows_at
            self.blown = self.blown or blows
            return blows

    def _blow(self) -> None:
        if self.error is not None:
            raise self.error
        assert self.running is not None
        (self.between or self.running)()
