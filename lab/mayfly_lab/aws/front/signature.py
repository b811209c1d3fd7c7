"""Checks Signature Version 4: computes the signature again with botocore's signer."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotocoreCredentials

from buildkite_emulator.serving.server import Request
from mayfly_lab.aws.front.call import Principal, Refusal
from mayfly_lab.aws.front.credentials import Credentials, Holder

MAX_SKEW_SECONDS = 300
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[A-Za-z0-9]+)/(?P<day>\d{8})/(?P<region>[^/]+)"
    r"/(?P<service>[^/]+)/aws4_request, *SignedHeaders=(?P<headers>[^,]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})$"
)
_UNHASHED = ("UNSIGNED-PAYLOAD", "STREAMING-")


@dataclass(frozen=True, slots=True)
class Scope:
    """The fields of an Authorization header."""

    access_key: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def read_scope(request: Request) -> Scope:
    """The scope of a request's signature.

    Raises:
        Refusal: the request has no signature, or one of another version.
    """
    header = request.headers.get("authorization", "")
    if not header:
        raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token")
    match = _AUTHORIZATION.match(header)
    if match is None:
        raise Refusal("IncompleteSignature", "Authorization header is not Signature Version 4")
    names = tuple(match["headers"].lower().split(";"))
    return Scope(match["key"], match["region"], match["service"], names, match["signature"])


def authenticate(
    request: Request,
    scope: Scope,
    credentials: Credentials,
    clock: Callable[[], float] = time.time,
    skew: Callable[[Principal], float] = lambda _: 0.0,
) -> Principal:
    """The principal that signed a request. `skew` returns the seconds by which its clock is fast.

    Raises:
        Refusal: unknown or expired credentials, a wrong session token, a clock more than five
            minutes off, a wrong hash of the body or a wrong signature.
    """
    holder = credentials.holder(scope.access_key)
    token = request.headers.get("x-amz-security-token", "")
    if holder is None or not hmac.compare_digest(token, holder.keys.token):
        raise Refusal(
            "InvalidClientTokenId", "The security token included in the request is invalid"
        )
    if holder.expired(clock()):
        raise Refusal("ExpiredToken", "The security token included in the request is expired")
    _check_date(request, clock() - skew(holder.principal))
    _check_body(request)
    if not hmac.compare_digest(_signature(request, scope, holder), scope.signature):
        raise Refusal(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided",
        )
    return holder.principal


def _check_date(request: Request, now: float) -> None:
    stamp = request.headers.get("x-amz-date", "")
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal("IncompleteSignature", "X-Amz-Date is missing or malformed") from None
    if abs(now - signed_at) > MAX_SKEW_SECONDS:
        raise Refusal("RequestExpired", f"Signature expired: {stamp} is too far from now")


def _check_body(request: Request) -> None:
    stated = request.headers.get("x-amz-content-sha256")
    if stated is None or stated.startswith(_UNHASHED):
        return  # without the header, the signature covers the body
    if stated != hashlib.sha256(request.body).hexdigest():
        raise Refusal("XAmzContentSHA256Mismatch", "The body does not have the stated SHA-256")


def _signature(request: Request, scope: Scope, holder: Holder) -> str:
    keys = BotocoreCredentials(holder.keys.access_key, holder.keys.secret_key, holder.keys.token)
    signer: _Recomputation | _S3Recomputation
    if scope.service == "s3":
        signer = _S3Recomputation(keys, "s3", scope.region)
    else:
        signer = _Recomputation(keys, scope.service, scope.region)
    signed = AWSRequest(
        method=request.method,
        url=f"http://{request.host}{request.target}",
        headers=dict(request.headers),
        data=request.body,
    )
    signed.context["timestamp"] = request.headers["x-amz-date"]
    signed.context["signed"] = _signed_headers(request.headers, scope.signed_headers)
    canonical = signer.canonical_request(signed)
    return str(signer.signature(signer.string_to_sign(signed, canonical), signed))


def _signed_headers(headers: Mapping[str, str], names: tuple[str, ...]) -> HTTPHeaders:
    signed = HTTPHeaders()
    for name in names:
        if name not in headers:
            raise Refusal("SignatureDoesNotMatch", f"the signed header {name} is missing")
        signed[name] = headers[name]
    return signed


class _StatedHeaders:
    """Signs the headers that the client has signed, in place of botocore's choice."""

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        headers: HTTPHeaders = request.context["signed"]
        return headers


class _Recomputation(_StatedHeaders, SigV4Auth):
    pass


class _S3Recomputation(_StatedHeaders, S3SigV4Auth):
    pass
