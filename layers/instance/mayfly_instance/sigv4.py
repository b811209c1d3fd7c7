"""AWS Signature Version 4, for the AWS calls of a host.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of a role. The repr omits their secret parts."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True)
class Request:
    """A request to be signed. Its URL's path is percent-encoded, as sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


def sign(
    request: Request, credentials: Credentials, region: str, service: str, now: datetime
) -> dict[str, str]:
    """All headers of the signed request, valid for this URL and body at the time `now`."""
    url = urlsplit(request.url)
    when = now.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(request.body).hexdigest()
    headers = {
        **request.headers,
        "Host": url.netloc,
        "X-Amz-Date": when,
        "X-Amz-Security-Token": credentials.token,
    }
    if service == "s3":
        headers["X-Amz-Content-SHA256"] = digest
    low = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(low))
    canonical = "\n".join(
        [
            request.method,
            _path(url.path, service),
            _query(url.query),
            *(f"{name}:{low[name]}" for name in sorted(low)),
            "",
            names,
            digest,
        ]
    )
    scope = f"{when[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _path(path: str, service: str) -> str:
    # S3 signs the path as sent; all other services normalise the path and encode it once more.
    if service == "s3":
        return path or "/"
    normal = posixpath.normpath(path or "/").replace("//", "/")
    if path.endswith("/") and normal != "/":
        normal += "/"
    return quote(normal, safe="/~")


def _query(query: str) -> str:
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
