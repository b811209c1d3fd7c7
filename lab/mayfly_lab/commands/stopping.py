"""Ctrl-C and SIGTERM: remembered at any moment, obeyed only where nothing is left behind."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from mayfly_cli import ends

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(ends.Stopped):
    """A signal ended the command."""

    def __init__(self) -> None:
        super().__init__("stopped; nothing is left behind")


class Stop:
    """Remembers that a signal has come. Further signals change nothing.

    The handler raises nothing: an exception between the creation of a resource and the
    registration of its removal would leave the resource behind.
    """

    def __init__(self) -> None:
        self.requested = False
        # A pipe wakes `wait` and `line`. The lock of threading.Event is not safe in a handler.
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals in this context. After a stop, signals stay ignored for clean-up."""
        former = {each: signal.signal(each, self._asked) for each in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, signal.SIG_IGN if self.requested else handler)
            os.close(self._reading)
            os.close(self._writing)

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`.

        Raises:
            Stopped: a signal came before or meanwhile.
        """
        select.select([self._reading], [], [], seconds)
        self.check()

    def check(self) -> None:
        """Return only when no signal has come.

        Raises:
            Stopped: a signal has come.
        """
        if self.requested:
            raise Stopped

    def line(self, stream: TextIO) -> str:
        """The next line typed into `stream`.

        Raises:
            Stopped: a signal came first.
        """
        select.select([stream.fileno(), self._reading], [], [])
        self.check()
        return stream.readline()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        again, self.requested = self.requested, True
        line = "already stopping" if again else "stopping: machines and functions end first"
        # Not through `sys.stderr`: the handler may have interrupted a write to it. The pipe breaks
        # where the reader is gone, as behind `| head`: then the line is dropped.
        with suppress(BrokenPipeError):
            os.write(2, f"mayfly-lab: {line}\n".encode())
        if not again:
            os.write(self._writing, b"!")
