"""Where the metadata service of one machine is reached, and by whom."""

from __future__ import annotations

import contextlib
import socket

from buildkite_emulator.serving.server import HttpServer
from mayfly_lab.machines.metadata import Metadata

_JOB_USER = 1001
"""A user without rights, for whom the rules of a machine without users are read."""


class MetadataDoors:
    """The servers of one machine's metadata service.

    With namespaces there is one, which adopts the socket at 169.254.169.254. Without, root and
    the users without rights have a door each, so that closing one is something that they feel.
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
        """Close the doors of these users, and open those of all others."""
        for user, port in self._ports.items():
            wanted = not any(user in users for users in refused)
            if user in self._open and not wanted:
                self._open.pop(user).stop()
            elif user not in self._open and wanted:
                self._open[user] = HttpServer(self._service, port=port)
                self._open[user].start()

    def stop(self) -> None:
        """Close all doors, and let go whom a fault keeps waiting."""
        self._service.end()
        for server in self._open.values():
            server.stop()
        self._open.clear()


def close_listening(listening: socket.socket) -> None:
    """Close a socket that servers have adopted; they notice at once."""
    with contextlib.suppress(OSError):
        # Closing alone does not wake a thread that waits for a connection.
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()
