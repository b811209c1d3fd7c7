"""Doors of a whole machine: passes 127.0.0.1:PORT on to the lab's servers outside the machine."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading
from pathlib import Path

OUTSIDE = "169.254.0.1"
"""Where the lab's servers listen in the machine's network."""
WORD = "mayfly.doors="
"""Begins the list of ports, in the file or among the kernel's words."""
FILE = "etc/mayfly-lab-doors"
"""The file with the list, below the machine's root; a machine with a kernel of its own has none."""
_CHUNK = 65536
_PATIENCE = 10.0


def main() -> None:
    """Serve every port of the list, for ever."""
    threads = [threading.Thread(target=_serve, args=(port,)) for port in _ports()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit("no doors are listed")


def _ports() -> list[int]:
    file = Path("/") / FILE
    text = (file if file.exists() else Path("/proc/cmdline")).read_text()
    found = re.search(rf"{re.escape(WORD)}([0-9,]+)", text)
    return [int(port) for port in found[1].split(",")] if found else []


def _serve(port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        near, _ = listening.accept()
        threading.Thread(target=_join, args=(near, port), daemon=True).start()


def _join(near: socket.socket, port: int) -> None:
    """Pass bytes both ways until both sides have ended."""
    with near:
        try:
            far = socket.create_connection((OUTSIDE, port), _PATIENCE)
        except OSError:
            return  # The network is down: the caller sees a connection that ends.
        far.settimeout(None)
        with far:
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pass, args=(far, near), daemon=True)
            back.start()
            _pass(near, far)
            back.join()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            piece = source.recv(_CHUNK)
            if not piece:
                break
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
