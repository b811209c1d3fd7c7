"""Calls side by side, each in a thread, for what AWS answers in parts of a second each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Callable, Generic, TypeVar

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


class Beside(Generic[Answer]):
    """One call in a thread, begun at once. It must not feed the watchdog (see `side_by_side`)."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._call = call
        self._found: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, clock: Clock, seconds: float) -> Answer:
        """The result of the call, or its error raised.

        Raises Unavailable if it takes `seconds` more.
        """
        until = clock.seconds() + seconds
        while self._thread.is_alive():
            clock.turned()
            left = until - clock.seconds()
            if left <= 0:
                raise Unavailable(f"AWS took longer than {seconds:g} s")
            self._thread.join(min(left, SLICE))
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again, in the supervisor's own thread
            self._error = error
