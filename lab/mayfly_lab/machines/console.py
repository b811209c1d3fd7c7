"""The serial console of a machine."""

from __future__ import annotations

import threading

KEPT = 64 * 1024
"""Bytes of a console that EC2 keeps."""


class Console:
    """The last bytes of a machine's output. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written = bytearray()

    def write(self, more: bytes) -> None:
        """Append output, and drop the oldest bytes beyond `KEPT`."""
        with self._lock:
            self._written += more
            del self._written[:-KEPT]

    def text(self) -> str:
        """The kept output as text; a character cut in two becomes U+FFFD."""
        with self._lock:
            return self._written.decode("utf-8", "replace")
