"""Retries of calls to AWS and IMDS, and of downloads."""

from __future__ import annotations

import random
from typing import Callable, TypeVar

from mayfly_instance.aws import Denied, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.imds import ImdsError

PATIENCE = 150.0
"""Seconds. Hosts that boot together share request limits with the whole account, so throttling may
last for minutes; the control plane waits at least `launch/boot-minutes` for the first report."""
_REFUSED = 5.0
"""Seconds. Expired credentials are renewed; changes of roles take seconds to work everywhere."""
_LONGEST = 16.0

Answer = TypeVar("Answer")


def retry(
    call: Callable[[], Answer],
    clock: Clock,
    seconds: float,
    say: Callable[[str], object] = lambda _: None,
) -> Answer:
    """The result of the call, with retries for `seconds` and a refusal's for 5 s at most.

    `say` gets each new error that the host waits out. Raises the last attempt's error: AwsError or
    ImdsError. Pauses are random, so that hosts which were throttled together part.
    """
    began = clock.seconds()
    longest, said, refused = 0.2, "", began
    while True:
        try:
            return call()
        except (Unavailable, Denied, ImdsError) as error:
            pause = random.uniform(longest / 2, longest)  # noqa: S311 - no secret
            now = clock.seconds()
            if not isinstance(error, Denied):
                refused = now
            elif now + pause > refused + _REFUSED:
                raise
            if now + pause > began + seconds:
                raise
            if str(error) != said:
                said = str(error)
                say(f"waiting for up to {began + seconds - now:.0f} s: {said}")
        clock.sleep(pause)
        longest = min(longest * 2, _LONGEST)
