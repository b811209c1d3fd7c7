"""Calls to Buildkite, with the retries of buildkite-agent 3.83.1 for each call."""

from __future__ import annotations

import http.client
import json
import platform
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from . import BUILD, VERSION

UNREACHED = 0
"""Status of a call without an answer."""
_TIMEOUT_SECONDS = 60
USER_AGENT = (
    f"buildkite-agent/{VERSION}.{BUILD} ({platform.system().lower()}; {platform.machine()})"
)


@dataclass(frozen=True)
class Answer:
    """Status, body and headers of an answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The JSON `message` of the body, else the body's first 200 characters."""
        content = self.json()
        text = content.get("message") if content else None
        return text if isinstance(text, str) else self.body.decode("utf-8", "replace")[:200]

    def json(self) -> dict[str, Any] | None:
        """The body as a JSON object; None when it is not one."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return None
        return content if isinstance(content, dict) else None


@dataclass(frozen=True)
class Patience:
    """Retries of a failed call."""

    waits: tuple[float, ...]
    """Seconds before each retry."""
    final: Collection[int] = ()
    """Statuses that are never retried."""
    only: Collection[int] | None = None
    """If given, only these statuses, and calls without an answer, are retried."""

    def repeats(self, status: int) -> bool:
        """Whether a call with this status is retried."""
        if self.only is not None:
            return status == UNREACHED or status in self.only
        return status not in self.final


_FINISH_WAITS = (2, 3.2, 5.2, 8.3, 13.4, 21.5, 34.6, 55.6, 89.4, 143.8, 231)
REGISTER = Patience((10,) * 29, final={401})
CONNECT = Patience((5,) * 9)
ACQUIRE = Patience((3,) * 9, final={422})
START = Patience((1, 2, 4, 8, 16, 32), only={429, 500, 502, 503, 504})
CHUNK = Patience(_FINISH_WAITS, final=range(400, 500))
FINISH = Patience(_FINISH_WAITS, final={401, 422})
DISCONNECT = Patience((1,) * 3)
HEARTBEAT = Patience((5,) * 9, only={429, 500, 502, 503, 504})
META_DATA = Patience((5,) * 9, final=set(range(400, 500)) - {429})
ANNOTATION = Patience((1,) * 4, final={400, 401, 404})
ARTIFACTS = Patience((0.5, 0.8, 1.3, 2.2, 3.7, 6.2, 10, 17, 29), final=META_DATA.final)
UPLOAD = Patience((5,) * 59, final={401, 422})
SEARCH = Patience((5,) * 9, final={400, 401, 404})
ONCE = Patience(())


class Client:
    """Calls with one token. Each thread has a connection of its own."""

    def __init__(
        self, endpoint: str, token: str, tell: Callable[[str], None] | None = None
    ) -> None:
        """`tell` gets a line before every retry."""
        self.endpoint = endpoint.rstrip("/")
        self._tell = tell
        self._token = token
        parts = urlsplit(self.endpoint)
        self._path = parts.path
        self._host = parts.netloc
        self._secure = parts.scheme == "https"
        self._mine = threading.local()

    def call(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        patience: Patience = ONCE,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call with JSON content, with the retries of `patience`. Returns the last answer."""
        raw = None if content is None else json.dumps(content).encode() + b"\n"
        kind = {} if raw is None else {"Content-Type": "application/json"}
        return self.send(method, path, raw, {**kind, **(headers or {})}, patience)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        patience: Patience,
    ) -> Answer:
        """Call with a body in bytes, with the retries of `patience`. Returns the last answer."""
        answer = self._once(method, path, body, headers)
        for number, wait in enumerate(patience.waits, start=1):
            if answer.ok or not patience.repeats(answer.status):
                break
            if self._tell:
                self._tell(f"{method} {path}: {answer.status} {answer.message}; trying again")
            time.sleep(_pause(answer, wait))
            sequence = {"X-Buildkite-Backoff-Sequence": str(number)}
            answer = self._once(method, path, body, {**headers, **sequence})
        return answer

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        every = {
            "Authorization": f"Token {self._token}",
            "User-Agent": USER_AGENT,
            "X-Buildkite-Backoff-Sequence": "0",
            **headers,
        }
        try:
            connection = self._connection()
            connection.request(method, self._path + path, body, every)
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.headers))
        except (OSError, http.client.HTTPException) as error:
            self._forget()
            return Answer(UNREACHED, f"{type(error).__name__}: {error}".encode())

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._mine, "connection", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            connection = self._mine.connection = kind(self._host, timeout=_TIMEOUT_SECONDS)
        return connection

    def _forget(self) -> None:
        connection = getattr(self._mine, "connection", None)
        if connection is not None:
            connection.close()
            self._mine.connection = None


def _pause(answer: Answer, wait: float) -> float:
    # Retry-After counts for 423 only; the agent was seen to ignore the header of a 429.
    if answer.status != 423:
        return wait
    try:
        return float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return wait
