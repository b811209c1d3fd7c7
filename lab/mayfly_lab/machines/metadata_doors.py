"""The servers of one machine's metadata service, and the users that they serve."""

from __future__ import annotations

import contextlib
import socket

from buildkite_emulator.serving.server import HttpServer
from mayfly_lab.machines.metadata import Metadata

_JOB_USER = 1001
"""User id that stands for all users without rights on a machine without users."""


class MetadataDoors:
    """The servers of one machine's metadata service.

    A machine with namespaces has one server, which adopts the socket at 169.254.169.254. A machine
    without has one for root and one for users without rights, so that the latter can be closed.
    """

    def __init__(self, service: Metadata, *, door_for_jobs: bool) -> None:
        self._service = service
        users = (0, _JOB_USER) if door_for_jobs else (0,)
        self._open = {user: HttpServer(service) for user in users}
        self._ports = {user: server.address[1] for user, server in self._open.items()}
        self.urls = [server.url for server in self._open.values()]
        for server in self._open.values():
            server.start()

    def adopt(self, listening: socket.socket) -> None:
        """Serve a socket that the machine has opened."""
        self._open[0].adopt(listening)

    def keep_away(self, refused: list[range]) -> None:
        """Close the servers of these users, and open the servers of all others."""
        for user, port in self._ports.items():
            wanted = not any(user in users for users in refused)
            if user in self._open and not wanted:
                self._open.pop(user).stop()
            elif user not in self._open and wanted:
                self._open[user] = HttpServer(self._service, port=port)
                self._open[user].start()

    def stop(self) -> None:
        """Close all servers, and end the waits of delayed requests."""
        self._service.end()
        for server in self._open.values():
            server.stop()
        self._open.clear()


def close_listening(listening: socket.socket) -> None:
    """Close a socket that servers have adopted; their threads wake at once."""
    with contextlib.suppress(OSError):
        # `close` alone does not wake a thread that waits in accept.
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()
