"""The way of a call from a function to a port: time, limits of rate, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mayfly.errors import FAILURES, Transient
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.time import Killed, Tasks

_USUAL = (0.004, 0.03)
"""Seconds that a call usually takes."""
_SLOW = (0.5, 20.0)
_LATE = (0.1, 90.0)
_SILENCE = 3.0
"""Seconds until a caller gives up a call without an answer."""
_EACH_BY_ITSELF = {("machines", "start"), ("machines", "stop")}
"""Methods that raise nothing, and return a failure for each of the ids that they are given."""
_BACKOFF = 1.0
"""Longest sleep of botocore before a repetition, in seconds, doubled with each."""


@dataclass(slots=True)
class Bucket:
    """A token bucket, as AWS limits the rate of calls: full at first."""

    size: float
    refill: float
    """Tokens a second."""
    _left: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._left = self.size

    def take(self, now: float) -> bool:
        """Take a token at this second. False without one."""
        self._left = min(self.size, self._left + (now - self._at) * self.refill)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Calls:
    """All calls of one invocation. `function` and `number` name the invocation in events."""

    def __init__(
        self, tasks: Tasks, chance: Chance, name: str, buckets: Mapping[str, Bucket]
    ) -> None:
        self._tasks = tasks
        self._chance = chance
        self._buckets = buckets
        self._counts: dict[str, int] = {}
        self.name = name
        self.made = 0

    def call(
        self, port: str, attempts: int, method: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        """Make a call. Raises what the port raises, Transient for a fault, Killed for a cut."""
        tasks, chance = self._tasks, self._chance
        task = tasks.current()
        what = f"{port}.{method.__name__}"
        number = self._counts[what] = self._counts.get(what, 0) + 1
        self.made += 1
        name = f"{self.name} {what} {number}"
        bucket = self._buckets.get(what)
        cut, slow, throttle, late, lost, takes, measure, _ = chance.draws(name)
        low, high = _USUAL
        for attempt in range(attempts):
            tasks.sleep(low + (high - low) * takes)
            if bucket is None or bucket.take(tasks.time.seconds):
                break
            if attempt + 1 == attempts:
                raise Transient(f"RequestLimitExceeded: {what}")
            tasks.sleep(chance.draw(f"{name} backoff {attempt}") * _BACKOFF * 2**attempt)
        if chance.strikes("cut", cut, name):
            tasks.kill(task.owner)
            raise Killed
        if chance.strikes("slow-call", slow, name):
            tasks.sleep(_SLOW[0] + (_SLOW[1] - _SLOW[0]) * measure)
        if chance.strikes("throttle", throttle, name):
            raise Transient(f"Throttling: {what}")
        if chance.strikes("late-effect", late, name):
            later = _LATE[0] + (_LATE[1] - _LATE[0]) * measure
            tasks.time.after(later, partial(_ignoring_failures, method, *args, **named))
            tasks.sleep(_SILENCE)
            raise Transient(f"no answer: {what}")
        answer = method(*args, **named)
        if chance.strikes("lost-answer", lost, name):
            tasks.sleep(_SILENCE)
            raise Transient(f"the answer was lost: {what}")
        return answer


def _ignoring_failures(method: Callable[..., Any], *args: Any, **named: Any) -> None:
    with suppress(*FAILURES):
        method(*args, **named)


class Port:
    """A port as a function has it: every method of a fake, called by `Calls`."""

    def __init__(self, calls: Callable[[], Calls], name: str, fake: object, attempts: int) -> None:
        self._calls = calls
        self._name = name
        self._fake = fake
        self._attempts = attempts

    def __getattr__(self, method: str) -> Callable[..., Any]:
        original = getattr(self._fake, method)

        def call(*args: Any, **named: Any) -> Any:
            try:
                return self._calls().call(self._name, self._attempts, original, *args, **named)
            except Transient as error:
                if (self._name, method) in _EACH_BY_ITSELF:
                    return dict.fromkeys(args[0], error)
                raise

        setattr(self, method, call)
        return call
