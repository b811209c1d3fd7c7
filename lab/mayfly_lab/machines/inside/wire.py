"""Messages between the lab, a machine's init and its stand-in commands: one JSON object a line."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False  # Not from typing: its import would slow every command.
if TYPE_CHECKING:
    from typing import Any

_MOST_FDS = 64


class Wire:
    """A stream socket for JSON lines and open file descriptors."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._bytes = bytearray()
        self._fds: list[int] = []

    def fileno(self) -> int:
        """The socket's descriptor, so that a selector accepts a wire."""
        return self.socket.fileno()

    def send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """Send one message; the peer receives copies of the descriptors `fds`."""
        line = json.dumps({**message, "fds": len(fds)}).encode() + b"\n"
        sent = socket.send_fds(self.socket, [line], list(fds)) if fds else 0
        self.socket.sendall(line[sent:])

    def receive(self) -> list[tuple[dict[str, Any], list[int]]]:
        """Wait for input. Returns the completed messages, each with its descriptors.

        Raises:
            EOFError: the peer has closed the socket.
            ValueError, TypeError: a line is not a JSON object.
        """
        chunk, fds, _, _ = socket.recv_fds(self.socket, 65536, _MOST_FDS)
        self._fds += fds
        if not chunk:
            self.drop()
            raise EOFError
        self._bytes += chunk
        *lines, rest = bytes(self._bytes).split(b"\n")
        self._bytes = bytearray(rest)
        return [self._take(json.loads(line)) for line in lines]

    def _take(self, message: Any) -> tuple[dict[str, Any], list[int]]:
        if not isinstance(message, dict):
            raise TypeError("a message is an object")
        count = message.pop("fds", 0)
        mine, self._fds = self._fds[:count], self._fds[count:]
        return message, mine

    def one(self) -> dict[str, Any]:
        """Wait for the next message and return it, for a peer that waits for an answer."""
        while True:
            messages = self.receive()
            if messages:
                return messages[0][0]

    def drop(self) -> None:
        """Close descriptors of a message that was never completed."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    def close(self) -> None:
        """Close the socket and leftover descriptors."""
        self.drop()
        self.socket.close()
