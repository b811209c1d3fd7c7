"""The attacker's own server, which code on machines reaches: what is sent there is out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from buildkite_emulator.serving.server import Answer, HttpServer, Request
from mayfly_lab.machines.machine import Door


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: when, to which path, with which body."""

    at: float
    path: str
    body: str


class Collector:
    """Keeps every request. `door` lets machines reach it on 127.0.0.1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: list[Sent] = []
        self._server = HttpServer(self._keep)
        self._server.start()
        self.url = self._server.url
        self.door = Door(self._server.address[1], self._server)

    def sent(self, path: str) -> list[Sent]:
        """What was sent to this path, oldest first."""
        with self._lock:
            return [each for each in self._sent if each.path == path]

    def stop(self) -> None:
        """Close the server."""
        self._server.stop()

    def _keep(self, request: Request) -> Answer:
        sent = Sent(time.time(), request.url.path, request.body.decode(errors="replace"))
        with self._lock:
            self._sent.append(sent)
        return Answer(204)
