"""A metadata service on loopback with faults on demand."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

TOKEN = "imds-session-token"
Raw = bytes | None
"""Bytes of an answer; None: no answer, and the connection stays open."""


def answer(status: int, body: str = "", length: str | None = None) -> bytes:
    size = len(body.encode()) if length is None else length
    return f"HTTP/1.1 {status} x\r\nContent-Length: {size}\r\n\r\n{body}".encode()


def credentials(role: str) -> str:
    return json.dumps(
        {
            "Code": "Success",
            "AccessKeyId": f"ASIA-{role}",
            "SecretAccessKey": f"secret-of-{role}",
            "Token": f"token-of-{role}",
            "Expiration": "2036-11-21T08:00:00Z",
        }
    )


@dataclass
class ImdsServer:
    """Serves `values` by path below meta-data; `override` gives raw answers by path."""

    values: dict[str, str] = field(default_factory=dict)
    override: dict[str, Callable[[], Raw]] = field(default_factory=dict)
    drip: float = 0
    """Seconds between two bytes."""
    connections: int = 0
    seen: list[str] = field(default_factory=list)
    endpoint: str = ""
    _closing: threading.Event = field(default_factory=threading.Event)

    def show(self, profile: str, role: str) -> None:
        """Serve only this profile and role."""
        for path in [each for each in self.values if each.startswith("iam/")]:
            del self.values[path]
        info = {"Code": "Success", "InstanceProfileArn": profile}
        self.values["iam/info"] = json.dumps(info)
        self.values["iam/security-credentials/"] = role
        self.linger(role)

    def linger(self, role: str) -> None:
        """Serve also the credentials of this role."""
        self.values[f"iam/security-credentials/{role}"] = credentials(role)

    def handle(self, connection: socket.socket) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(4096)
                if not piece:
                    return
                request += piece
            raw = self._raw(request.decode())
            if raw is None:
                self._closing.wait(10)
                return
            step = 1 if self.drip else max(1, len(raw))
            for at in range(0, len(raw), step):
                try:
                    connection.sendall(raw[at : at + step])
                except OSError:
                    return
                time.sleep(self.drip)

    def _raw(self, request: str) -> Raw:
        line, *headers = request.split("\r\n")
        method, path, _ = line.split(" ")
        self.seen.append(f"{method} {path}")
        short = path.removeprefix("/latest/meta-data/").removeprefix("/latest/")
        if short in self.override:
            return self.override[short]()
        if method == "PUT":
            wanted = any(
                each.lower().startswith("x-aws-ec2-metadata-token-ttl") for each in headers
            )
            return answer(200, TOKEN) if wanted else answer(400)
        if f"X-aws-ec2-metadata-token: {TOKEN}" not in headers:
            return answer(401)
        return answer(200, self.values[short]) if short in self.values else answer(404)


@contextmanager
def serving() -> Iterator[ImdsServer]:
    """A running server until the end of the block."""
    server = ImdsServer()
    listening = socket.create_server(("127.0.0.1", 0))
    server.endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            server.connections += 1
            threading.Thread(target=server.handle, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server._closing.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
