"""The socket on which services tell init of their state, as in sd_notify(3)."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

from mayfly_lab.machines.inside import image
from mayfly_lab.machines.inside.plan import Plan
from mayfly_lab.machines.inside.unit_file import Settings
from mayfly_lab.machines.inside.units import Units

HEARS_WHO = sys.platform == "linux"
"""Whether the kernel names the sender of a message; else no watchdog works."""
_LARGEST = 4096


class Notify:
    """Listens for `READY=1` and `WATCHDOG=1` of the first processes of services."""

    def __init__(self, root: Path) -> None:
        self._address = root / "run/mayfly-lab/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def fileno(self) -> int:
        """The socket's descriptor, for a selector."""
        return self._socket.fileno()

    def listen(self) -> None:
        """Listen from now on. The path survives a reboot: it lies beside init's own socket."""
        self._socket.bind(str(self._address))
        self._address.chmod(0o666)
        if HEARS_WHO:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def environment(self, plan: Plan, settings: Settings) -> dict[str, str]:
        """All variables of a service."""
        told = {"INVOCATION_ID": os.urandom(16).hex()}
        if settings.watchdog or settings.kind == "notify":
            told["NOTIFY_SOCKET"] = str(self._address)
        if settings.watchdog and HEARS_WHO:
            told["WATCHDOG_USEC"] = str(int(settings.watchdog * 1e6))
        return {**image.environment(plan), **told, **settings.environment}

    def hear(self, units: Units) -> None:
        """Read one message."""
        text, ancillary, _, _ = self._socket.recvmsg(_LARGEST, socket.CMSG_SPACE(12))
        pid = _sender(ancillary)
        for line in text.decode("utf-8", "replace").splitlines():
            if line == "WATCHDOG=1":
                units.feed(pid)
            elif line == "READY=1":
                units.is_ready(pid)


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The sender's pid, from the kernel; 0 without one, which is no service."""
    for level, kind, content in ancillary:
        if HEARS_WHO and (level, kind) == (
            socket.SOL_SOCKET,
            socket.SCM_CREDENTIALS,
        ):
            pid, _, _ = struct.unpack("3i", content[:12])
            return int(pid)
    return 0
