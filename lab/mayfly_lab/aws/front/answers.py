"""Writes refusals in the wire format, and with the error code, of each service."""

from __future__ import annotations

import json
import uuid
from enum import StrEnum
from xml.sax.saxutils import escape

from buildkite_emulator.serving.server import Answer, Request
from mayfly_lab.aws.front.call import Refusal


class Style(StrEnum):
    """The protocols that AWS services speak."""

    JSON = "json"
    REST_JSON = "rest-json"
    QUERY = "query"
    EC2 = "ec2"
    REST_XML = "rest-xml"


# Code and HTTP status of each refusal by protocol, as the services answer.
_CODES: dict[str, dict[Style, tuple[str, int]]] = {
    "AccessDenied": {
        Style.JSON: ("AccessDeniedException", 400),
        Style.REST_JSON: ("AccessDeniedException", 403),
        Style.QUERY: ("AccessDenied", 403),
        Style.EC2: ("UnauthorizedOperation", 403),
        Style.REST_XML: ("AccessDenied", 403),
    },
    "MissingAuthenticationToken": {
        Style.JSON: ("MissingAuthenticationTokenException", 400),
        Style.REST_JSON: ("MissingAuthenticationTokenException", 403),
        Style.QUERY: ("MissingAuthenticationToken", 403),
        Style.EC2: ("AuthFailure", 401),
        Style.REST_XML: ("AccessDenied", 403),
    },
    "InvalidClientTokenId": {
        Style.JSON: ("UnrecognizedClientException", 400),
        Style.REST_JSON: ("UnrecognizedClientException", 403),
        Style.QUERY: ("InvalidClientTokenId", 403),
        Style.EC2: ("AuthFailure", 401),
        Style.REST_XML: ("InvalidAccessKeyId", 403),
    },
    "ExpiredToken": {
        Style.JSON: ("ExpiredTokenException", 400),
        Style.REST_JSON: ("ExpiredTokenException", 403),
        Style.QUERY: ("ExpiredToken", 403),
        Style.EC2: ("RequestExpired", 400),
        Style.REST_XML: ("ExpiredToken", 400),
    },
    "SignatureDoesNotMatch": {
        Style.JSON: ("InvalidSignatureException", 400),
        Style.REST_JSON: ("InvalidSignatureException", 403),
        Style.QUERY: ("SignatureDoesNotMatch", 403),
        Style.EC2: ("AuthFailure", 401),
        Style.REST_XML: ("SignatureDoesNotMatch", 403),
    },
    "Throttling": {
        Style.JSON: ("ThrottlingException", 400),
        Style.REST_JSON: ("TooManyRequestsException", 429),
        Style.QUERY: ("Throttling", 400),
        Style.EC2: ("RequestLimitExceeded", 503),
        Style.REST_XML: ("SlowDown", 503),
    },
    "InternalError": {
        Style.JSON: ("InternalServerError", 500),
        Style.REST_JSON: ("ServiceException", 500),
        Style.QUERY: ("InternalFailure", 500),
        Style.EC2: ("InternalError", 500),
        Style.REST_XML: ("InternalError", 500),
    },
}
# SQS uses JSON, but its clients expect the codes and statuses of the older query protocol.
_QUERY_COMPATIBLE = frozenset({"sqs"})


def style_of(request: Request, service: str) -> Style:
    """The protocol of the request, and so of its answer."""
    if "x-amz-target" in request.headers:
        return Style.JSON
    if service == "ec2":
        return Style.EC2
    if service == "s3":
        return Style.REST_XML
    content = request.headers.get("content-type", "")
    if content.startswith("application/x-www-form-urlencoded") or "Action=" in request.target:
        return Style.QUERY
    return Style.REST_JSON


def spelled(refusal: Refusal, style: Style, service: str = "") -> tuple[str, int]:
    """Error code and HTTP status of a refusal in this protocol (of this service)."""
    if service in _QUERY_COMPATIBLE and style is Style.JSON:
        style = Style.QUERY
    code, status = _CODES.get(refusal.code, {}).get(style, (refusal.code, 400))
    return code, refusal.status or status


def refusal_answer(refusal: Refusal, style: Style, service: str) -> Answer:
    """The HTTP answer for a refusal by `service`."""
    code, status = spelled(refusal, style, service)
    request_id = str(uuid.uuid4())
    if style in {Style.JSON, Style.REST_JSON}:
        body = json.dumps({"__type": code, "message": refusal.message, "Message": refusal.message})
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amzn-requestid": request_id,
            "x-amzn-errortype": code,
        }
        if service in _QUERY_COMPATIBLE:
            headers["x-amzn-query-error"] = f"{code};Sender"
        return Answer(status, body.encode(), headers)
    body = _XML[style].format(
        code=escape(code), message=escape(refusal.message), request_id=request_id
    )
    return Answer(
        status, body.encode(), {"content-type": "text/xml", "x-amzn-requestid": request_id}
    )


_XML = {
    Style.QUERY: (
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        "<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ),
    Style.EC2: (
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>{request_id}</RequestID></Response>"
    ),
    Style.REST_XML: (
        "<Error><Code>{code}</Code><Message>{message}</Message>"
        "<RequestId>{request_id}</RequestId></Error>"
    ),
}
