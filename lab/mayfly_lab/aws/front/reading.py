"""Reads an HTTP request into a `Call`: operation and parameters by the API's own models.

The parsers and routers are moto's (`moto.core`), one for each protocol of AWS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request as MotoRequest
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from buildkite_emulator.serving.server import Request
from mayfly_lab.aws.front.answers import Style
from mayfly_lab.aws.front.call import Call, Refusal

# Signing names that differ from the name of the API model.
_MODEL_OF = {"monitoring": "cloudwatch", "states": "stepfunctions"}


def read_call(request: Request, service: str, style: Style) -> Call:
    """The operation and parameters of a request to `service` (the signing name).

    Raises:
        Refusal: no operation of the service's model matches the request.
    """
    if style is Style.JSON:
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        return Call(service, operation, json.loads(request.body or b"{}"))
    if style in {Style.QUERY, Style.EC2}:
        return _query_call(request, service, style)
    return _rest_call(request, service, style)


def read_models() -> None:
    """Load models and REST routes now, so that the first calls of machines do not wait."""
    for service in ("ec2", "iam", "sts"):
        get_service_model(service)
    read_call(Request("GET", "/2018-10-31/layers", {}, b""), "lambda", Style.REST_JSON)


def _query_call(request: Request, service: str, style: Style) -> Call:
    form = MotoRequest(environ(request)).values
    operation = form.get("Action", "")
    return Call(service, operation, _parsed(service, operation, style, {"values": form}))


def _rest_call(request: Request, service: str, style: Style) -> Call:
    if "/operation/" in request.url.path:  # Smithy's RPC v2: the body is CBOR and stays unread
        return Call(service, request.url.path.rpartition("/")[2], {})
    try:
        router = get_service_router(_MODEL_OF.get(service, service))
        operation, labels = router.match(MotoRequest(environ(request)))
    except NotFound:
        raise Refusal("UnknownOperationException", f"{request.method} {request.target}") from None
    given = MotoRequest(environ(request))
    wire = {
        "method": request.method,
        "values": given.values,
        "headers": given.headers,  # case-insensitive
        "body": request.body if _is_read(style, operation.name) else b"",
        "url_path": request.url.path,
        "url_params": labels,
    }
    return Call(service, operation.name, _parsed(service, operation.name, style, wire))


def _is_read(style: Style, operation: str) -> bool:
    """Whether the body has parameters. That of an upload is content; DeleteObjects names keys."""
    return style is Style.REST_JSON or operation == "DeleteObjects"


def _parsed(service: str, operation: str, style: Style, wire: Mapping[str, Any]) -> dict[str, Any]:
    model = get_service_model(_MODEL_OF.get(service, service))
    if operation not in model.operation_names:
        raise Refusal("InvalidAction", f"{service} has no operation {operation!r}")
    parser = PROTOCOL_PARSERS[style](model.operation_model(operation))
    parsed: dict[str, Any] = parser.parse(wire)
    return parsed


def environ(request: Request) -> dict[str, Any]:
    """The request as a WSGI environment."""
    url = request.url
    host, _, port = request.host.partition(":")
    variables: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(url.path, "latin-1"),
        "QUERY_STRING": url.query,
        "RAW_URI": request.target,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            variables[key] = value
        elif key not in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:
            variables[f"HTTP_{key}"] = value
    return variables
