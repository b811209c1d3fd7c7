"""Retries of calls to AWS and IMDS."""

from __future__ import annotations

from typing import Callable, TypeVar

from mayfly_instance.aws import Denied, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.imds import ImdsError

_LONGEST = 5.0

Answer = TypeVar("Answer")


def retry(call: Callable[[], Answer], clock: Clock, seconds: float) -> Answer:
    """The result of the call, with retries for `seconds`.

    Raises the last attempt's error: AwsError or ImdsError. Refusals are retried, too: new roles,
    policies and profiles take seconds to work everywhere.
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
