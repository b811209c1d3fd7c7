"""AWS on loopback, for one region: checks every signature and sends the answers of a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mayfly_instance.sigv4 import Credentials, Request, sign

Reply = tuple[int, str | bytes]


@dataclass
class Front:
    """Answers by operation: `GetParameter`, `GetCallerIdentity`, …, or by `METHOD path?query`."""

    keys: Credentials
    answers: dict[str, Callable[[Any], Reply]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    """Operations with a signature that differs from `sign`'s."""
    connections: int = 0
    close: bool = False
    """Close the connection after each answer, without announcing it."""
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front

    def setup(self) -> None:
        super().setup()
        self.front.connections += 1

    def do_GET(self) -> None:
        self._reply(b"")

    def do_PUT(self) -> None:
        self._reply(b"")

    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers["Content-Length"])))

    def _reply(self, body: bytes) -> None:
        operation, asked = self._operation(body)
        self.front.calls.append((operation, asked))
        if "Authorization" in self.headers and not self._genuine(body):
            self.front.forged.append(operation)
        reply = self.front.answers.get(operation)
        status, text = reply(asked) if reply else (404, "{}")
        content = text if isinstance(text, bytes) else text.encode()
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        self.wfile.write(head + content)
        self.close_connection = self.front.close

    def _operation(self, body: bytes) -> tuple[str, Any]:
        url = urlsplit(self.path)
        if target := self.headers.get("X-Amz-Target"):
            return target.rpartition(".")[2], json.loads(body)
        asked = parse_qs(url.query or body.decode())
        if "Action" in asked:
            return asked["Action"][0], asked
        if url.path == "/2018-10-31/layers":
            return "GetLayerVersion", asked
        return f"{self.command} {self.path}", asked

    def _genuine(self, body: bytes) -> bool:
        authorization = self.headers["Authorization"]
        scope = authorization.split("Credential=")[1].split(",")[0].split("/")
        signed = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
        made_by_sign = {"host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
        headers = {name: self.headers[name] for name in signed if name not in made_by_sign}
        when = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        request = Request(self.command, f"http://{self.headers['Host']}{self.path}", headers, body)
        ours = sign(request, self.front.keys, scope[2], scope[3], when)
        same = ours["Authorization"].rpartition("=")[2] == authorization.rpartition("=")[2]
        return same and self.headers["X-Amz-Security-Token"] == self.front.keys.token

    def log_message(self, *args: object) -> None:
        """Log nothing: tests read `calls`."""


@contextmanager
def serving(keys: Credentials) -> Iterator[Front]:
    """A running front until the end of the block."""
    front = Front(keys)
    handler = type("Handler", (_Handler,), {"front": front})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    front.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
