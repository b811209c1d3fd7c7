"""A small HTTP/1.1 server: one thread per connection, keep-alive, one write per answer.

`http.server` does not serve: it writes status, headers and body apart, which costs 43 ms per call
on loopback (Nagle's algorithm against delayed acknowledgements), and it cannot adopt a listening
socket that a machine's network namespace has opened.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from io import BufferedReader
from urllib.parse import SplitResult, urlsplit

LOG = logging.getLogger(__name__)
MAX_BODY = 64 * 1024 * 1024
MAX_HEADERS = 128
SWEEP_SECONDS = 0.5
NO_BODY = frozenset({204, 304})


class AnswerLostError(Exception):
    """An application executed the request, but its answer must never arrive."""


class BadRequestError(Exception):
    """The bytes on the connection are not an HTTP/1.1 request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request from the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    address: str = "127.0.0.1"
    """IP address of the caller."""

    @property
    def url(self) -> SplitResult:
        """The request target split up; its path and query are still percent-encoded."""
        return urlsplit(self.target if "://" in self.target else f"http://host{self.target}")

    @property
    def host(self) -> str:
        """Host and port from the client's Host header."""
        return self.headers.get("host", "localhost")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body of one answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Application = Callable[[Request], Answer]


class HttpServer:
    """Serves an application on a loopback port, and on every listening socket it adopts."""

    def __init__(self, application: Application, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._adopted: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self._wakened, self._waken = socket.socketpair()
        self._closing = threading.Event()
        self._own = socket.create_server((host, port), backlog=256)
        self.address: tuple[str, int] = self._own.getsockname()[:2]
        self._thread = threading.Thread(target=self._accept, name="http-accept", daemon=True)

    @property
    def url(self) -> str:
        """The URL of the server's own port."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def start(self) -> None:
        """Start to accept connections; returns at once."""
        self._selector.register(self._wakened, selectors.EVENT_READ)
        self.adopt(self._own)
        self._thread.start()

    def adopt(self, listening: socket.socket) -> None:
        """Serve this listening socket too, until its owner closes it."""
        listening.setblocking(False)
        with self._lock:
            self._adopted.append(listening)
        self._waken.send(b"+")

    def stop(self) -> None:
        """Close the server's port and every connection.

        Waits up to 5 s for the accepting thread.
        """
        self._closing.set()
        self._waken.send(b"-")
        self._thread.join(timeout=5)
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for each in (self._own, self._waken, self._wakened):
            each.close()
        self._selector.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            ready = self._selector.select(timeout=SWEEP_SECONDS)
            self._sweep()
            for key, _ in ready:
                listening = key.fileobj
                if listening is self._wakened:
                    self._wakened.recv(4096)
                    self._register_adopted()
                elif isinstance(listening, socket.socket) and listening.fileno() >= 0:
                    self._take(listening)

    def _sweep(self) -> None:
        """Unregister sockets that their owner closed.

        The kernel does not report closed sockets to a poller.
        """
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket) and key.fileobj.fileno() < 0:
                self._selector.unregister(key.fileobj)

    def _register_adopted(self) -> None:
        with self._lock:
            adopted, self._adopted = self._adopted, []
        for listening in adopted:
            if listening.fileno() >= 0:
                self._selector.register(listening, selectors.EVENT_READ)

    def _take(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:  # the client left, or the socket's owner closed it before the accept
            return
        connection.setblocking(True)
        if connection.family in {socket.AF_INET, socket.AF_INET6}:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections.add(connection)
        threading.Thread(
            target=self._serve, args=(connection,), name="http-connection", daemon=True
        ).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.closing(connection), connection.makefile("rb") as stream:
                while not self._closing.is_set() and self._exchange(connection, stream):
                    pass
        except OSError:
            pass  # the client is gone, so no answer can reach it
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _exchange(self, connection: socket.socket, stream: BufferedReader) -> bool:
        try:
            request = read_request(stream, lambda: connection.sendall(CONTINUE))
        except BadRequestError as error:
            send(connection, Answer(400, str(error).encode()), close=True, head=False)
            return False
        if request is None:
            return False
        try:
            answer = self._application(replace(request, address=_address(connection)))
        except AnswerLostError:
            return False
        except Exception:
            # An exception of an application is a bug of the lab: logged, and named in the answer.
            LOG.exception("%s %s", request.method, request.target)
            answer = Answer(500, b"the lab's server failed; see its log")
        close = request.headers.get("connection", "").lower() == "close"
        send(connection, answer, close=close, head=request.method == "HEAD")
        return not close


def _address(connection: socket.socket) -> str:
    inet = connection.family in {socket.AF_INET, socket.AF_INET6}
    return str(connection.getpeername()[0]) if inet else "127.0.0.1"


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def read_request(stream: BufferedReader, permit: Callable[[], None]) -> Request | None:
    """The next request of a connection; None at the connection's end.

    `permit` is called if the client waits for `100 Continue`, as botocore does for S3 uploads.

    Raises:
        BadRequestError: the bytes are not an HTTP/1.1 request.
    """
    line = stream.readline(65537)
    if not line:
        return None
    try:
        method, target, version = line.decode("latin-1").split()
    except ValueError:
        raise BadRequestError("malformed request line") from None
    if not version.startswith("HTTP/1."):
        raise BadRequestError(f"unsupported version {version}")
    headers = dict(_headers(stream))
    if headers.get("expect", "").lower() == "100-continue":
        permit()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = b"".join(_chunks(stream))
    else:
        body = _exactly(stream, _number(headers.get("content-length", "0"), 10))
    return Request(method, target, headers, body)


def _headers(stream: BufferedReader) -> Iterator[tuple[str, str]]:
    for _ in range(MAX_HEADERS):
        line = stream.readline(65537).decode("latin-1")
        if line in {"\r\n", "\n"}:
            return
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequestError("malformed header")
        yield name.strip().lower(), value.strip()
    raise BadRequestError("too many headers")


def _chunks(stream: BufferedReader) -> Iterator[bytes]:
    total = 0
    while size := _number(stream.readline(65537).decode("latin-1").partition(";")[0], 16):
        total += size
        if total > MAX_BODY:
            raise BadRequestError("body too large")
        yield _exactly(stream, size)
        stream.readline(65537)
    while stream.readline(65537) not in {b"\r\n", b"\n", b""}:  # trailers
        pass


def _number(text: str, base: int) -> int:
    try:
        number = int(text.strip(), base)
    except ValueError:
        raise BadRequestError("malformed length") from None
    if not 0 <= number <= MAX_BODY:
        raise BadRequestError("body too large")
    return number


def _exactly(stream: BufferedReader, size: int) -> bytes:
    body = stream.read(size) if size else b""
    if len(body) != size:
        raise BadRequestError("the connection ended inside a body")
    return body


def send(connection: socket.socket, answer: Answer, *, close: bool, head: bool) -> None:
    """Send an answer; `head` omits the body but keeps its length."""
    body = b"" if head or answer.status in NO_BODY else answer.body
    beginning = _head(answer, close=close, head=head)
    if len(body) > _COPIED:
        connection.sendall(beginning)
        connection.sendall(body)
    else:
        # One write: two small writes wait for each other (Nagle and delayed acknowledgement).
        connection.sendall(beginning + body)


_COPIED = 2**16
"""Up to this size, copying a body costs less than a second write."""


def _head(answer: Answer, *, close: bool, head: bool) -> bytes:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    lines += [
        f"{name}: {value}"
        for name, value in answer.headers.items()
        if name.lower() not in {"content-length", "connection", "transfer-encoding"}
    ]
    if answer.status not in NO_BODY:
        length = len(answer.body)
        if head:  # the application states the length of the body that a GET would send
            length = int(answer.headers.get("content-length", length))
        lines.append(f"content-length: {length}")
    lines.append(f"connection: {'close' if close else 'keep-alive'}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
