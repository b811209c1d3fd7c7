"""Changes of every instance with their times, for the report's timelines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Aspect(StrEnum):
    """The aspect of an instance that changed."""

    STATE = "state"
    """The instance's state."""
    PROFILE = "profile"
    """The profile of its association in the EC2 API; empty for none."""
    IMDS = "imds"
    """The profile that its metadata service serves; empty for none."""
    SPOT = "spot"
    """A spot interruption warning; the value is the announced time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One change of one instance."""

    at: float
    """Seconds since the epoch."""
    instance_id: str
    aspect: Aspect
    value: str


class Moments:
    """All changes of all instances, oldest first. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._moments: list[Moment] = []

    def note(self, instance_id: str, aspect: Aspect, value: str, *, delay: float = 0.0) -> None:
        """Record a change that takes effect `delay` seconds from now."""
        with self._lock:
            self._moments.append(Moment(self._clock() + delay, instance_id, aspect, value))

    def of(self, instance_id: str) -> list[Moment]:
        """Changes of one instance, in the order of their effect."""
        return [moment for moment in self.all() if moment.instance_id == instance_id]

    def all(self) -> list[Moment]:
        """All changes, in the order of their effect."""
        with self._lock:
            return sorted(self._moments, key=lambda moment: moment.at)
