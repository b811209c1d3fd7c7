"""Client of the instance metadata service: IMDSv2, a new connection for every request."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Callable
from urllib.parse import urlsplit

from mayfly_instance.clock import Clock, parse_time
from mayfly_instance.sigv4 import Credentials

_LARGEST = 64 * 1024
_STATUS = len("HTTP/1.1 200 ")


class ImdsError(Exception):
    """No usable answer: none, late, too long, not HTTP, or a refusal."""


class ImdsAbsent(ImdsError):
    """IMDS has no such path (404)."""


class Imds:
    """The metadata service at `endpoint`. Each whole answer must arrive within `seconds`."""

    def __init__(self, endpoint: str, clock: Clock, seconds: float = 1) -> None:
        url = urlsplit(endpoint)
        self.host = url.hostname or ""
        self.port = url.port or 80
        self._clock = clock
        self._seconds = seconds

    def session(self) -> Session:
        """A new session token. Raises ImdsError."""
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        return Session(self, self.request("PUT", "/latest/api/token", ttl))

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """The stripped body of a 200 answer. Raises ImdsAbsent for a 404, else ImdsError."""
        status, body = self._ask(method, path, headers, self._answer)
        if status != 200:
            raise _refusal(path, status)
        try:
            return body.decode().strip()
        except UnicodeDecodeError as error:
            raise ImdsError(f"{path}: not text") from error

    def serves(self, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a path is served: False for a 404. Raises ImdsError for any other refusal.

        The answer is read no further than its status, so that nothing of its body, which may be
        credentials, ever is in the memory of this process.
        """
        status, _ = self._ask("GET", path, headers, self._status)
        if status not in {200, 404}:
            raise _refusal(path, status)
        return status == 200

    def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        read: Callable[[socket.socket, float], tuple[int, bytes]],
    ) -> tuple[int, bytes]:
        until = self._clock.seconds() + self._seconds
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Length: 0"] if method == "PUT" else []
        raw = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        try:
            with socket.create_connection((self.host, self.port), self._seconds) as connection:
                connection.sendall(raw)
                return read(connection, until)
        except OSError as error:
            raise ImdsError(f"{path}: {error}") from error

    def _receive(self, connection: socket.socket, most: int, until: float) -> bytes:
        left = until - self._clock.seconds()
        if left <= 0:
            raise ImdsError("the answer took too long")
        connection.settimeout(left)
        return connection.recv(most)

    def _status(self, connection: socket.socket, until: float) -> tuple[int, bytes]:
        """The answer's status; of the answer no byte more is read."""
        line = b""
        while len(line) < _STATUS and (
            piece := self._receive(connection, _STATUS - len(line), until)
        ):
            line += piece
        if len(line) < _STATUS:
            raise ImdsError("the answer is not HTTP")
        return _status_of(line), b""

    def _answer(self, connection: socket.socket, until: float) -> tuple[int, bytes]:
        """The status and the body of the whole answer."""
        answer = b""
        length: int | None = None
        while length is None or len(answer) < length:
            piece = self._receive(connection, _LARGEST, until)
            answer += piece
            length = _length(answer) if length is None else length
            if max(len(answer), length or 0) > _LARGEST:
                raise ImdsError("the answer is too long")
            if not piece:
                break
        head, found, body = answer.partition(b"\r\n\r\n")
        if not found:
            raise ImdsError("the answer is not HTTP")
        status = _status_of(head.split(b"\r\n", 1)[0])
        if len(answer) < (length or 0):
            raise ImdsError("the answer was cut")
        return status, body


class Session:
    """Reads with one session token."""

    def __init__(self, imds: Imds, token: str) -> None:
        self._imds = imds
        self._token = token

    def get(self, path: str) -> str:
        """A value below `/latest/meta-data/`. Raises ImdsError, ImdsAbsent."""
        headers = {"X-aws-ec2-metadata-token": self._token}
        return self._imds.request("GET", f"/latest/meta-data/{path}", headers)

    def get_json(self, path: str) -> dict[str, str]:
        """A JSON object, its values as texts. Raises ImdsError, ImdsAbsent."""
        try:
            found = json.loads(self.get(path))
        except ValueError as error:
            raise ImdsError(f"{path}: not JSON") from error
        if not isinstance(found, dict):
            raise ImdsError(f"{path}: not an object")
        return {name: value for name, value in found.items() if isinstance(value, str)}

    def serves_credentials(self, role: str) -> bool:
        """Whether the role's credentials are served. They are not read. Raises ImdsError."""
        headers = {"X-aws-ec2-metadata-token": self._token}
        return self._imds.serves(f"/latest/meta-data/iam/security-credentials/{role}", headers)

    def credentials(self, role: str) -> Credentials:
        """The role's credentials. Raises ImdsAbsent if the role is not served, else ImdsError."""
        path = f"iam/security-credentials/{role}"
        found = self.get_json(path)
        expires = parse_time(found.get("Expiration", ""))
        try:
            keys = found["AccessKeyId"], found["SecretAccessKey"], found["Token"]
        except KeyError as error:
            raise ImdsError(f"{path}: lacks {error}") from error
        if found.get("Code") != "Success" or expires is None:
            raise ImdsError(
                f"{path}: Code {found.get('Code')}, Expiration {found.get('Expiration')}"
            )
        return Credentials(*keys, expires=expires)


def _refusal(path: str, status: int) -> ImdsError:
    return (ImdsAbsent if status == 404 else ImdsError)(f"{path}: {status}")


def _status_of(line: bytes) -> int:
    """The status of an answer's first line. Raises ImdsError."""
    fields = line.split(b" ")
    if len(fields) < 2 or not fields[0].startswith(b"HTTP/1."):
        raise ImdsError("the answer is not HTTP")
    if not (fields[1].isdigit() and len(fields[1]) == 3):
        raise ImdsError("the answer has no status")
    return int(fields[1])


def _length(answer: bytes) -> int | None:
    """Length of the whole answer, head included; None before the head has its Content-Length."""
    head, found, _ = answer.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n")[1:] if found else []:
        name, _, value = line.partition(b":")
        size = value.strip()
        if name.strip().lower() == b"content-length" and size.isdigit():
            return len(head) + 4 + (int(size) if len(size) < 10 else _LARGEST)
    return None
