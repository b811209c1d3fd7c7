"""Repeating calls that may work a little later."""

from __future__ import annotations

from typing import Callable, TypeVar

from mayfly_instance.aws import Denied, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.imds import ImdsError

_LONGEST = 5.0

Answer = TypeVar("Answer")


def patiently(call: Callable[[], Answer], clock: Clock, seconds: float) -> Answer:
    """What the call gives in the end. Raises what the last try raised: AwsError, ImdsError.

    Refusals are repeated, too: roles, policies and profiles take seconds to be known everywhere.
    """
    until = clock.seconds() + seconds
    pause = 0.2
    while True:
        try:
            return call()
        except (Unavailable, Denied, ImdsError):
            if clock.seconds() + pause > until:
                raise
        clock.sleep(pause)
        pause = min(pause * 2, _LONGEST)
