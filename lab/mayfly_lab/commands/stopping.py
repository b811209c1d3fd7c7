"""Ctrl-C and SIGTERM: asked for at any moment, obeyed where nothing is left behind."""

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
    """Somebody wants the command to end."""

    def __init__(self) -> None:
        super().__init__("stopped; nothing is left behind")


class Stop:
    """Remembers that the end was asked for. A second and any further request change nothing.

    The handler raises nothing: an exception between the making of a thing and the note that it
    must be removed would leave that thing behind.
    """

    def __init__(self) -> None:
        self.requested = False
        # An Event's own lock is not made for handlers; a pipe wakes whoever waits.
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals, until this ends; nothing stops what has stopped on its way out."""
        former = {each: signal.signal(each, self._asked) for each in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, signal.SIG_IGN if self.requested else handler)
            os.close(self._reading)
            os.close(self._writing)

    def wait(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            Stopped: the end was asked for, before or meanwhile.
        """
        select.select([self._reading], [], [], seconds)
        self.check()

    def check(self) -> None:
        """Go on only when nobody asked for the end.

        Raises:
            Stopped: somebody did.
        """
        if self.requested:
            raise Stopped

    def line(self, stream: TextIO) -> str:
        """The next line that somebody types.

        Raises:
            Stopped: the end was asked for instead.
        """
        select.select([stream.fileno(), self._reading], [], [])
        self.check()
        return stream.readline()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        again, self.requested = self.requested, True
        line = "already stopping" if again else "stopping: machines and functions end first"
        # Not through `sys.stderr`: the handler may have interrupted a write to it. Where nobody
        # reads any more, as behind `| head`, there is nobody to tell.
        with suppress(BrokenPipeError):
            os.write(2, f"mayfly-lab: {line}\n".encode())
        if not again:
            os.write(self._writing, b"!")
