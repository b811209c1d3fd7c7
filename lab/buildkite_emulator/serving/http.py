"""Requests and responses of the emulator's endpoints: paths, queries, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from . import server
from .server import AnswerLostError


@dataclass(frozen=True, slots=True)
class Request:
    """One call with its whole body."""

    method: str
    path: str
    """Without the query, and without percent escapes."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    address: str = "127.0.0.1"
    """IP address of the caller."""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one call."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response with a JSON body."""
    return Response(status, json.dumps(content).encode(), headers or {})


Endpoints = Callable[[Request], Response]
"""Answers a request; raises AnswerLostError to close the connection without an answer."""


def as_application(endpoints: Endpoints) -> server.Application:
    """The endpoints as an application of `server`."""

    def answer(asked: server.Request) -> server.Answer:
        url = asked.url
        request = Request(
            method=asked.method,
            path=unquote(url.path),
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers=asked.headers,
            body=asked.body,
            address=asked.address,
        )
        response = endpoints(request)
        headers = {**response.headers, "Content-Type": response.content_type}
        return server.Answer(int(response.status), response.body, headers)

    return answer


__all__ = [
    "AnswerLostError",
    "Endpoints",
    "Request",
    "Response",
    "as_application",
    "json_response",
]
