"""Init's event loop: readable files, timers, ended children."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Protocol, Union


class _HasFile(Protocol):
    def fileno(self) -> int: ...


Readable = Union[int, _HasFile]


class Loop:
    """Calls registered functions, one at a time."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, Callable[[], None]]] = []
        # A signal does not interrupt a wait in Python; the wakeup socket turns it into input.
        self._ended, self._tell = socket.socketpair()
        for end in (self._ended, self._tell):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._tell.fileno(), warn_on_full_buffer=False)
        self.watch(self._ended, lambda: self._ended.recv(4096))

    def watch(self, readable: Readable, what: Callable[[], object]) -> None:
        """Call `what` whenever `readable` has input."""
        self._selector.register(readable, selectors.EVENT_READ, what)

    def forget(self, readable: Readable) -> None:
        """Stop to watch a file."""
        self._selector.unregister(readable)

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Call `what` once, `seconds` from now."""
        self._timers.append((time.monotonic() + seconds, what))

    def forget_timers(self) -> None:
        """Cancel all timers."""
        self._timers.clear()

    def turn(self) -> None:
        """Wait for input, a timer or the end of a child, and call the due functions."""
        nearest = min((when for when, _ in self._timers), default=None)
        wait = None if nearest is None else max(0.0, nearest - time.monotonic())
        for key, _ in self._selector.select(wait):
            key.data()
        now = time.monotonic()
        due = [timer for timer in self._timers if timer[0] <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for _, what in due:
            what()


def ended_children() -> Iterator[tuple[int, int]]:
    """Pid and wait status of ended children. Raises ChildProcessError when no child exists."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        yield pid, status
