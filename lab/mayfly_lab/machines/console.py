"""The serial console of a machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

KEPT = 64 * 1024
"""Bytes of a console that EC2 keeps."""


class Console:
    """The last bytes of a machine's output, and a file of all of it where one is wanted.

    Thread-safe. `clock` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._written = bytearray()
        self._file: BinaryIO | None = None
        self._since = 0.0
        self._in_line = False

    def keep(self, file: Path) -> None:
        """From now on, write all output into a new file, each line after the seconds until it.

        Raises:
            OSError: the file cannot be made.
        """
        with self._lock:
            self._close()
            self._file = file.open("wb", buffering=0)
            self._since = self._clock()
            self._in_line = False

    def write(self, more: bytes) -> None:
        """Append output, and drop the oldest bytes beyond `KEPT`."""
        with self._lock:
            self._written += more
            del self._written[:-KEPT]
            if self._file is not None and more:
                self._file.write(self._timed(more))

    def text(self) -> str:
        """The kept output as text; a character cut in two becomes U+FFFD."""
        with self._lock:
            return self._written.decode("utf-8", "replace")

    def close(self) -> None:
        """End the file, if there is one. A second call has no effect."""
        with self._lock:
            self._close()

    def _timed(self, more: bytes) -> bytes:
        when = b"%8.2f " % (self._clock() - self._since)
        begun = b"" if self._in_line else when
        self._in_line = not more.endswith(b"\n")
        body = more if self._in_line else more[:-1]
        return begun + body.replace(b"\n", b"\n" + when) + (b"" if self._in_line else b"\n")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
