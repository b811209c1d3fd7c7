"""The pace of a machine's console: a serial line of 115,200 baud, and 4 KB that wait for it."""

from __future__ import annotations

import fcntl
import selectors
import sys
import time
from collections.abc import Callable

BYTES_PER_SECOND = 11_520
"""Eight bits, a start bit and a stop bit for each byte."""
WAITING = 4096
"""Bytes that Linux keeps for a serial line (UART_XMIT_SIZE, a page)."""
PIECE = BYTES_PER_SECOND // 10
"""Bytes that are read at a time."""


class SerialLine:
    """Lets a selector see a console only when the line has sent what was read before."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._selector = selector
        self._clock = clock
        self._sending: dict[int, float] = {}

    def adopt(self, console: int) -> None:
        """Register the reading end of a console, a pipe, and let it hold no more than a line.

        Only Linux can set what a pipe holds.
        """
        if sys.platform == "linux":
            fcntl.fcntl(console, fcntl.F_SETPIPE_SZ, WAITING)
        self._selector.register(console, selectors.EVENT_READ)

    def send(self, console: int, count: int) -> None:
        """Hide the console for as long as the line needs to send so many bytes."""
        self._selector.unregister(console)
        self._sending[console] = self._clock() + count / BYTES_PER_SECOND

    def go_on(self) -> float | None:
        """Show the consoles whose line is free. Returns seconds until the next one is, or None."""
        now = self._clock()
        for console in [console for console, until in self._sending.items() if until <= now]:
            del self._sending[console]
            self._selector.register(console, selectors.EVENT_READ)
        return min(self._sending.values()) - now if self._sending else None
