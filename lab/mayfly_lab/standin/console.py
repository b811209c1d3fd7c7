"""The agent's own log, separate from the log of its job."""

from __future__ import annotations

import sys
from datetime import datetime, timezone


class Console:
    """Writes log lines to stderr."""

    def __init__(self, name: str) -> None:
        self._name = name

    def say(self, message: str, level: str = "INFO") -> None:
        """Write one line. The message must not contain a token."""
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        print(f"{stamp} {level:<6} {self._name} {message}", file=sys.stderr, flush=True)
