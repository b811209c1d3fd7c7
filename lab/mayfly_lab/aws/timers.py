"""Delayed actions: one thread waits, and a pool of threads runs the actions."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

LOG = logging.getLogger(__name__)


@dataclass(order=True, slots=True)
class Timer:
    """An action and its time, by the monotonic clock."""

    due: float
    order: int
    action: Callable[[], None] = field(compare=False)


class Timers:
    """Runs actions after a delay. An action that fails is logged and kept in `failures`."""

    def __init__(self, workers: int = 16) -> None:
        self._due: list[Timer] = []
        self._orders = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="timer")
        self._thread = threading.Thread(target=self._wait, name="timers", daemon=True)
        self.failures: list[Exception] = []

    def start(self) -> None:
        """Start to run due actions."""
        self._thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` once, `seconds` from now."""
        timer = Timer(time.monotonic() + seconds, next(self._orders), action)
        with self._changed:
            heapq.heappush(self._due, timer)
            self._changed.notify()

    def stop(self) -> None:
        """Drop actions that are not due, and wait for running ones."""
        with self._changed:
            self._stopping = True
            self._due.clear()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True)

    def _wait(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                now = time.monotonic()
                if not self._due or self._due[0].due > now:
                    self._changed.wait(self._due[0].due - now if self._due else None)
                    continue
                timer = heapq.heappop(self._due)
            self._pool.submit(self.attempt, timer.action)

    def attempt(self, action: Callable[[], None]) -> None:
        """Run an action on this thread; an error is logged and kept in `failures`.

        Threads and pools of the lab run their work by this: their errors would be lost otherwise.
        """
        try:
            action()
        except Exception as error:
            LOG.exception("an action of the lab failed")
            self.failures.append(error)
