"""A small HTTP/1.1 server: loopback, threads, kept-alive connections, one write per answer.

An answer that leaves in two writes costs 43 ms (Nagle and delayed acknowledgements) and doubles
what a job takes (seen with buildkite-agent 3.83.1), so head and body go out together.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, unquote, urlsplit

_ACCEPT_TIMEOUT = 0.2
_LARGEST_BODY = 64 * 2**20


class DroppedError(Exception):
    """The connection is closed without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call, its body read."""

    method: str
    path: str
    """Without query and without percent escapes."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer with a JSON body."""
    return Response(status, json.dumps(content).encode(), headers or {})


Application = Callable[[Request], Response]
"""What answers; raises DroppedError to close the connection instead."""


class HttpServer:
    """Serves one application on any number of listening sockets."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._closing = threading.Event()
        self._listening: list[socket.socket] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def listen(self, port: int = 0) -> int:
        """Serve on loopback; returns the port."""
        listening = socket.create_server(("127.0.0.1", port), backlog=128)
        self.adopt(listening)
        bound: int = listening.getsockname()[1]
        return bound

    def adopt(self, listening: socket.socket) -> None:
        """Serve this listening socket too, until it or the server is closed."""
        # A time limit, as closing a socket does not wake a blocking accept on every system.
        listening.settimeout(_ACCEPT_TIMEOUT)
        with self._lock:
            self._listening.append(listening)
        name = f"buildkite-accept-{listening.getsockname()}"
        threading.Thread(target=self._accept, args=(listening,), name=name, daemon=True).start()

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self._closing.set()
        with self._lock:
            for each in (*self._listening, *self._connections):
                _shut(each)

    def _accept(self, listening: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                connection, address = listening.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # closed under us, which is how it ends
            with self._lock:
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection, address), name="buildkite-http", daemon=True
            ).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        try:
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Connection(connection, address, self._application)
        except (OSError, DroppedError):
            return  # the client went away, or is meant to think so of us
        finally:
            with self._lock:
                self._connections.discard(connection)
            _shut(connection)


class _Connection(BaseHTTPRequestHandler):
    """Reads requests off one connection and writes the answers."""

    protocol_version = "HTTP/1.1"
    server_version = "mayfly-lab"

    def __init__(
        self, connection: socket.socket, address: tuple[str, int], application: Application
    ) -> None:
        self._application = application
        super().__init__(connection, address, None)  # type: ignore[arg-type]  # it only keeps it

    def handle_one_request(self) -> None:
        """Answer one request, whatever its method."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._write(Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )
        self._write(self._answer(request))

    def _answer(self, request: Request) -> Response:
        try:
            return self._application(request)
        except DroppedError:
            raise
        except Exception as error:
            # A bug of the emulator: the client gets an answer, the thread's hook the traceback.
            self._write(json_response({"message": "The emulator failed"}, 500))
            raise RuntimeError(f"no answer to {request.method} {request.path}") from error

    def _write(self, response: Response) -> None:
        headers = {
            "Server": self.version_string(),
            "Date": self.date_time_string(),
            **response.headers,
        }
        if response.status != HTTPStatus.NO_CONTENT:
            headers["Content-Type"] = response.content_type
            headers["Content-Length"] = str(len(response.body))
        phrase = self.responses.get(response.status, ("Unknown", ""))[0]
        head = f"HTTP/1.1 {int(response.status)} {phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body = b"" if self.command == "HEAD" else response.body
        self.wfile.write(head.encode("latin-1") + b"\r\n" + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Say nothing: paths and headers of the agent API hold tokens."""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # never connected, or already gone: closing it is all that is left to do
    finally:
        connection.close()
