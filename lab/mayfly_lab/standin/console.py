"""What the agent says for itself, apart from the log of its job."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone


class Console:
    """Lines on stderr, or JSON objects on stdout, as the agent's log formats have it."""

    def __init__(self, name: str, log_format: str) -> None:
        self._name = name
        self._json = log_format == "json"

    def say(self, message: str, level: str = "INFO") -> None:
        """One line. Never with a token in it."""
        now = datetime.now(timezone.utc)
        if self._json:
            line = {"ts": now.isoformat(), "level": level, "msg": message, "agent": self._name}
            print(json.dumps(line), flush=True)
        else:
            stamp = now.strftime("%Y-%m-%d %H:%M:%S")
            print(f"{stamp} {level:<6} {self._name} {message}", file=sys.stderr, flush=True)
