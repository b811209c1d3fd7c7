"""Passes requests from the front door to moto."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from moto.core import responses
from moto.core.request import Request as MotoRequest
from moto.core.utils import method_names_from_class
from moto.dynamodb.responses import DynamoHandler
from moto.ec2.responses import EC2Response
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.ssm.responses import SimpleSystemManagerResponse

from buildkite_emulator.serving.server import Answer, Request
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.reading import environ
from mayfly_lab.aws.patches import Patch

# Handlers of the most frequent services, none of which needs a URL path, are called directly:
# Flask and the search for the backend take three times as long as the handler.
_DIRECT: dict[str, Callable[..., Any]] = {
    "dynamodb": DynamoHandler.dispatch,
    "ec2": EC2Response.dispatch,
    "ssm": SimpleSystemManagerResponse.dispatch,
}


class MotoApplication:
    """Answers a request by moto's implementation of its service."""

    def __init__(self) -> None:
        self._wsgi = DomainDispatcherApplication(create_backend_app)

    def __call__(self, call: Call, request: Request) -> Answer:
        """Pass a request to moto. Returns moto's answer.

        Raises:
            NotImplementedError: moto does not have the operation.
        """
        handler = _DIRECT.get(call.service)
        # DynamoDB Streams has the signing name of DynamoDB, and another backend.
        if handler is None or "DynamoDBStreams" in request.headers.get("x-amz-target", ""):
            return self._by_flask(request)
        return _directly(handler, request)

    def _by_flask(self, request: Request) -> Answer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            started.append((status, headers))

        body = b"".join(self._wsgi(environ(request), start_response))
        status, headers = started[-1]
        named = {name.lower(): value for name, value in headers}
        return Answer(int(status.split()[0]), body, named)


def _directly(handler: Callable[..., Any], request: Request) -> Answer:
    given = MotoRequest(environ(request))
    try:
        status, headers, body = handler(given, given.raw_url, dict(given.headers))
    except ClientError as error:  # the answer of moto's own server
        status, headers, body = 400, {}, error.response["Error"]["Message"]
    content = body.encode() if isinstance(body, str) else body
    return Answer(int(status), content, {name.lower(): str(headers[name]) for name in headers})


def patches() -> list[Patch]:
    """A patch for speed: moto lists the methods of a class once, not at every request."""
    cached = functools.cache(method_names_from_class)
    return [Patch(responses, "method_names_from_class", cached, "clazz")]
