"""The serial console of a machine."""

from __future__ import annotations

import threading

KEPT = 64 * 1024
"""What EC2 keeps of a console, in bytes."""


class Console:
    """The last bytes that a machine has written. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written = bytearray()

    def write(self, more: bytes) -> None:
        """Append what came; the oldest gives way."""
        with self._lock:
            self._written += more
            del self._written[:-KEPT]

    def text(self) -> str:
        """All that is kept; a character that was cut in two shows as a replacement."""
        with self._lock:
            return self._written.decode("utf-8", "replace")
