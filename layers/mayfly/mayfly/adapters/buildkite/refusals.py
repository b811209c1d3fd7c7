"""Refusals that stay until a person acts: the refused call is made again ever more rarely."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from mayfly.errors import Misconfigured, NotFound

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds until a refused call is made again, by refusals in a row; the last one from then on.

The last one is half a minute, so that every repair shows within a minute.
"""
MOST_KNOWN = 1000
"""Refusals remembered; the one that is tried again soonest gives way."""


@dataclass(slots=True)
class _Refusal:
    error: Misconfigured | NotFound
    again_at: float
    times: int = 1
    tried: bool = False
    """Whether a call is under way since the last pause."""

    @property
    def pause(self) -> float:
        return PAUSES[min(self.times, len(PAUSES)) - 1]


class Refusals:
    """Remembers refusals by subject: the token, one kind of call about one queue, or one call.

    Thread-safe. Kept in memory: a new Lambda sandbox makes one refused call, and then knows.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds and never goes back."""
        self._clock = clock
        self._known: dict[str, _Refusal] = {}
        self._lock = threading.Lock()

    def check(self, subject: str) -> None:
        """Raise the known refusal while its pause lasts.

        After the pause one caller may call; for the others the pause begins anew.
        """
        with self._lock:
            known, now = self._known.get(subject), self._clock()
            if known is None:
                return
            if now < known.again_at:
                raise type(known.error)(*known.error.args)
            known.again_at, known.tried = now + known.pause, True

    def note(self, subject: str, error: Misconfigured | NotFound) -> None:
        """Remember a refusal. Calls that were under way together count as one."""
        with self._lock:
            known, now = self._known.get(subject), self._clock()
            if known is None:
                if len(self._known) >= MOST_KNOWN:
                    del self._known[min(self._known, key=lambda each: self._known[each].again_at)]
                self._known[subject] = _Refusal(error, now + PAUSES[0])
                return
            known.error = error
            if known.tried:
                known.times, known.tried = known.times + 1, False
                known.again_at = now + known.pause

    def forget(self, subject: str) -> None:
        """Forget a refusal: a call was answered otherwise."""
        with self._lock:
            self._known.pop(subject, None)
