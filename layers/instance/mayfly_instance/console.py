"""The serial console: the only record of a host that could never send a report.

A serial line sends 11,520 bytes a second (115,200 baud), and the kernel keeps about 4 KB for it;
beyond that it takes nothing. So text waits here, in order, until the line takes it, and each wait
has a limit. Whatever is given up in the end leaves a mark.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Callable

from mayfly_instance.clock import Clock
from mayfly_instance.line import Line
from mayfly_protocol.moments import stamp

_MESSAGE = 1.0
"""Seconds that one message may wait for the line."""
LAST_WORDS = 10.0
"""Seconds that the last words may wait: `_KEPT` bytes need 5.7 s. Power-off waits no longer."""
_MARK = 0.5
"""Seconds, after a limit, for the mark in place of what is given up."""
_PAUSE = 0.02
"""Seconds between two attempts. A line sends 230 bytes meanwhile, of the 4 KB that wait for it."""
_KEPT = 64 * 1024
"""Bytes that may wait: EC2's GetConsoleOutput shows no more."""
_LONGEST = 4000
"""Characters of a line."""


class Console:
    """Writes lines with a time to the console device, without secrets."""

    def __init__(self, device: Path, clock: Clock, scrub: Callable[[str], str]) -> None:
        self._line = Line(device)
        self._clock = clock
        self._scrub = scrub
        self._waiting = bytearray()

    def say(self, text: str) -> None:
        """Write each line of the text with the time. Writes to stderr if the device refuses.

        Waits at most a second for a slow console, and not at all while earlier text still waits.
        What the console does not take then waits for the next call.
        """
        seconds = 0.0 if self._waiting else _MESSAGE
        when = stamp(self._clock.now())
        for line in self._scrub(text).splitlines():
            missing = len(line) - _LONGEST
            mark = _mark(missing, "characters") if missing > 0 else ""
            whole = f"mayfly {when} {line[:_LONGEST]}{mark}\n"
            self._waiting += whole.encode("utf-8", "replace")
        self._write(seconds)
        self._forget_oldest()

    def deliver(self, seconds: float = _MESSAGE) -> None:
        """Write what waits. After so many seconds a mark stands in place of the rest."""
        self._write(seconds)
        if self._waiting:
            self._waiting[:] = f"{_mark(len(self._waiting), 'bytes')}\n".encode()
            self._write(_MARK)
            self._waiting.clear()

    def finish(self) -> None:
        """Deliver what waits, and wait until the line has sent it: the power goes off next.

        Returns after `LAST_WORDS` seconds, and `_MARK`, at the latest.
        """
        until = self._clock.seconds() + LAST_WORDS
        self.deliver(LAST_WORDS)
        while self._line.unsent() and self._clock.seconds() < until:
            self._clock.sleep(_PAUSE)
        self._clock.sleep(_PAUSE)  # For the last bytes, which `unsent` omits.
        self._line.give_up()

    def _forget_oldest(self) -> None:
        """Omit the oldest lines beyond `_KEPT` bytes."""
        surplus = len(self._waiting) - _KEPT
        if surplus > 0:
            end = self._waiting.find(b"\n", surplus) + 1
            self._waiting[:end] = f"{_mark(end, 'bytes')}\n".encode()

    def _write(self, seconds: float) -> None:
        """Write what waits until the console has taken it, or for so many seconds."""
        until = self._clock.seconds() + seconds
        try:
            while self._waiting:
                taken = self._line.write(self._waiting)
                del self._waiting[:taken]
                if not taken:
                    if self._clock.seconds() >= until:
                        return
                    self._clock.sleep(_PAUSE)
        except OSError:
            # Nobody is left to tell if stderr refuses, too.
            with contextlib.suppress(OSError):
                os.write(2, self._waiting)
            self._waiting.clear()
        finally:
            self._line.let_go()


def _mark(count: int, what: str) -> str:
    return f" [{count} {what} are missing here]"
