"""systemd's watchdog: it ends a supervisor that hangs, and with it the instance.

Sources: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Watchdog:
    """The watchdog of this process's unit; without one, feeding has no effect.

    Only the supervisor's own loops feed it, never a thread or a timer: those would go on while the
    supervisor hangs.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        mine = environment.get("WATCHDOG_PID") == str(os.getpid())
        address = environment.get("NOTIFY_SOCKET", "") if mine else ""
        # A leading @ stands for the zero byte of an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # Often enough that one lost message does no harm.
        self._interval = int(environment.get("WATCHDOG_USEC", "0")) / 1e6 / 4
        self._next = 0.0

    def feed(self, now: float) -> None:
        """Tell systemd that a loop turned, at most four times in the watchdog's time.

        `now` is in seconds of a monotonic clock.
        """
        if not self._address or now < self._next:
            return
        self._next = now + self._interval
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
            messages.setblocking(False)
            try:
                messages.sendto(b"WATCHDOG=1", self._address)
            except OSError:
                # systemd may be busy. The next turn tries again, and the watchdog is the judge.
                self._next = now
