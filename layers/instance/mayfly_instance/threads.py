"""Calls side by side, each in a thread, for what AWS answers in parts of a second each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Callable, TypeVar

from mayfly_instance.aws import Unavailable
from mayfly_instance.clock import SLICE, Clock

Answer = TypeVar("Answer")


def side_by_side(
    calls: Sequence[Callable[[], Answer]], clock: Clock, seconds: float
) -> list[Answer]:
    """The results of the calls, in their order. Raises the error of the first call that failed.

    The calls must not feed the watchdog, and so wait by `clock.of_a_thread()`. Raises Unavailable
    if they take longer than `seconds` altogether; a thread that hangs does not outlive the process.
    """
    slots: list[list[Answer]] = [[] for _ in calls]
    errors: list[list[BaseException]] = [[] for _ in calls]

    def run(number: int) -> None:
        try:
            slots[number].append(calls[number]())
        except BaseException as error:  # noqa: BLE001 - raised again, in the supervisor's own thread
            errors[number].append(error)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    until = clock.seconds() + seconds
    for thread in threads:
        while thread.is_alive():
            clock.turned()
            left = until - clock.seconds()
            if left <= 0:
                raise Unavailable(f"AWS took longer than {seconds:g} s")
            thread.join(min(left, SLICE))
    for error in errors:
        if error:
            raise error[0]
    return [slot[0] for slot in slots]
