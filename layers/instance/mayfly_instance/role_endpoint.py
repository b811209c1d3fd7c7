"""Serves the credentials of the job's role to the job's user, on loopback.

The protocol is that of containers: AWS SDKs and tools reference guide, "Container credential
provider". SDKs take http for loopback addresses alone, and read the token's file at each request
(botocore 1.42, credentials.py, ContainerProvider). Two things make a request the job's own: the
token, which only the job's user can read, and the owner of the other end of the connection.

One thread serves all connections, and never waits for one of them: a job can hold up nobody but
itself, and no other user can take the job's places.
"""

from __future__ import annotations

import hmac
import json
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from mayfly_instance.local_peer import uid_of_peer

PATH = "/role"
MOST = 64
"""Connections at once of the job's user; more of them wait in the kernel's queue."""
MOST_STRANGERS = 8
"""Connections at once of other users, who get a refusal; more of them get nothing."""
LONGEST = 8 * 1024
"""Bytes of a request with its headers."""
SECONDS = 5.0
"""From the connection until its answer is taken."""
_PORTS = 20
"""Ports to try until one is free for IPv4 and IPv6."""
_TURN = 60.0
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True)
class Answer:
    """An answer as JSON."""

    status: int
    body: Mapping[str, str] = field(repr=False)

    @classmethod
    def refusal(cls, code: str, message: str, status: int = 403) -> Answer:
        """A refusal that SDKs show. JavaScript's reads the keys with capitals, Go's the others."""
        body = {"code": code, "message": message, "Code": code, "Message": message}
        return cls(status, body)

    def encoded(self) -> bytes:
        """The whole HTTP answer."""
        body = json.dumps(dict(self.body)).encode()
        head = (
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\n"
            "Content-Type: application/json\r\nCache-Control: no-store\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class _Connection:
    socket: socket.socket
    own: bool
    """Whether the other end belongs to the job's user."""
    until: float
    received: bytes = b""
    to_send: bytes = b""


class Endpoint:
    """The endpoint, from its creation until `end`. `uid` is the job's user.

    `credentials` returns the answer to a good request at once. Raises OSError without a port.
    """

    def __init__(self, uid: int, token: str, credentials: Callable[[], Answer]) -> None:
        self._uid = uid
        self._token = token.encode()
        self._credentials = credentials
        self._selector = selectors.DefaultSelector()
        self._open: dict[int, _Connection] = {}
        self._accepts = False
        self._waker, self._woken = socket.socketpair()
        self._listeners = _listen()
        self.port: int = self._listeners[0].getsockname()[1]
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._accept_while_there_is_room()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address for the job's SDKs."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def end(self) -> None:
        """Close the port and all connections; returns when nothing is served any more."""
        self._waker.close()
        self._thread.join(SECONDS)

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            for connection in [*self._open.values()]:
                connection.socket.close()
            for listener in self._listeners:
                listener.close()
            self._woken.close()
            self._selector.close()

    def _turn(self) -> bool:
        """Serve what has happened; False at the end."""
        first = min((each.until for each in self._open.values()), default=time.monotonic() + _TURN)
        for key, _ in self._selector.select(max(0.0, first - time.monotonic())):
            if key.fileobj is self._woken:
                return False
            if isinstance(key.data, _Connection):
                self._serve(key.data)
            else:
                self._accept(key.fileobj)
        now = time.monotonic()
        for late in [each for each in self._open.values() if each.until <= now]:
            self._close(late)
        self._accept_while_there_is_room()
        return True

    def _accept_while_there_is_room(self) -> None:
        room = sum(each.own for each in self._open.values()) < MOST
        if room == self._accepts:
            return
        self._accepts = room
        for each in self._listeners:
            if room:
                self._selector.register(each, selectors.EVENT_READ)
            else:
                self._selector.unregister(each)

    def _accept(self, listener: Any) -> None:
        try:
            accepted, _ = listener.accept()
        except OSError:  # The other end has gone, or there are no descriptors left for a moment.
            return
        try:
            accepted.setblocking(False)
            own = uid_of_peer(accepted) == self._uid
        except OSError:
            accepted.close()
            return
        if not own and sum(not each.own for each in self._open.values()) >= MOST_STRANGERS:
            accepted.close()
            return
        connection = _Connection(accepted, own, time.monotonic() + SECONDS)
        self._open[accepted.fileno()] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection) -> None:
        try:
            if connection.to_send:
                self._send(connection)
            else:
                self._receive(connection)
        except BlockingIOError:
            return
        except OSError:
            self._close(connection)

    def _receive(self, connection: _Connection) -> None:
        received = connection.socket.recv(LONGEST)
        connection.received += received
        whole = b"\r\n\r\n" in connection.received
        if not received:
            self._close(connection)
        elif whole or len(connection.received) >= LONGEST:
            answer = self._answer(connection) if whole else _TOO_LONG
            connection.to_send = answer.encoded()
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
            self._send(connection)

    def _answer(self, connection: _Connection) -> Answer:
        if not connection.own:
            return _NOT_THE_USER
        head = connection.received.partition(b"\r\n\r\n")[0]
        first, *lines = head.split(b"\r\n")
        words = first.split(b" ")
        if len(words) != 3 or words[0] != b"GET" or not words[2].startswith(b"HTTP/1."):
            return _NO_QUESTION
        headers = [line.partition(b":")[::2] for line in lines]
        given = [value.strip() for name, value in headers if name.lower() == b"authorization"]
        if len(given) != 1 or not hmac.compare_digest(given[0], self._token):
            return _WRONG_TOKEN
        if words[1].partition(b"?")[0] != PATH.encode():
            return _NO_SUCH_PATH
        return self._credentials()

    def _send(self, connection: _Connection) -> None:
        sent = connection.socket.send(connection.to_send)
        connection.to_send = connection.to_send[sent:]
        if not connection.to_send:
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        del self._open[connection.socket.fileno()]
        self._selector.unregister(connection.socket)
        connection.socket.close()


_NOT_THE_USER = Answer.refusal("AccessDenied", "only the user of this machine's job is answered")
_WRONG_TOKEN = Answer.refusal(
    "AccessDenied",
    "the Authorization header is not what AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE has",
)
_NO_QUESTION = Answer.refusal("InvalidRequest", "only GET of HTTP/1 is answered", 400)
_TOO_LONG = Answer.refusal("InvalidRequest", "the request is too long", 400)
_NO_SUCH_PATH = Answer.refusal("NotFound", f"there is nothing but {PATH}", 404)


def _listen() -> list[socket.socket]:
    """Sockets that listen on one port of 127.0.0.1 and, where there is IPv6, of ::1.

    Raises OSError.
    """
    for _ in range(_PORTS):
        first = _bound(socket.AF_INET, ("127.0.0.1", 0))
        try:
            second = [_bound(socket.AF_INET6, ("::1", first.getsockname()[1]))] if _ipv6() else []
        except OSError:  # The port is taken there.
            first.close()
            continue
        return [first, *second]
    raise OSError(f"none of {_PORTS} ports is free on 127.0.0.1 and on ::1")


def _bound(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(2 * MOST)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _ipv6() -> bool:
    try:
        _bound(socket.AF_INET6, ("::1", 0)).close()
    except OSError:
        return False
    return True
