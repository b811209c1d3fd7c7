"""The console device as a line that is slow, held or gone.

A write without O_NONBLOCK blocks as long as the line is full. So does the last close of a serial
line: Linux waits up to 30 s for what is unsent (closing_wait; measured: 31 s a message on a line
that is held). So a descriptor is closed only when all is sent.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
from pathlib import Path


class Line:
    """Writes to the device without ever waiting for it."""

    def __init__(self, device: Path) -> None:
        self._device = device
        self._descriptor: int | None = None

    def write(self, content: bytes | bytearray) -> int:
        """The number of bytes that the line took, 0 while it is full.

        Raises OSError if the device refuses.
        """
        kept = self._descriptor is not None
        try:
            return os.write(self._open(), content)
        except BlockingIOError:
            return 0
        except OSError:
            self._close()
            if not kept:
                raise
        # A login on the line hangs up whoever holds it (vhangup).
        return self.write(content)

    def unsent(self) -> int:
        """Bytes that the kernel has taken and not yet sent; 0 for what is no terminal.

        Omits the last bytes, which the line's own chip holds (up to 64).
        """
        if self._descriptor is None:
            return 0
        try:
            answer = fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, b"\0" * 4)
        except OSError:
            return 0
        return int(struct.unpack("i", answer)[0])

    def let_go(self) -> None:
        """Close the device if that cannot block."""
        if not self.unsent():
            self._close()

    def give_up(self) -> None:
        """Discard what is unsent, and close the device."""
        if self._descriptor is not None and self.unsent():
            # It may have been hung up just now, and then nothing is unsent.
            with contextlib.suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCOFLUSH)
        self._close()

    def _open(self) -> int:
        if self._descriptor is None:
            # Must not become the controlling terminal.
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK
            self._descriptor = os.open(self._device, flags)
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            # After an error the descriptor is closed all the same (close(2)).
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None
