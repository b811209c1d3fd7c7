"""Calls to a metadata service, and what their answers show."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
TOKEN_PATH = "/latest/api/token"
_DOCUMENT = "/latest/meta-data/instance-id"
_TITLE = re.compile(r"<title>(.*?)</title>")
_OF_THE_MOMENT = {"LastUpdated"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call; without headers it has a fresh token."""

    name: str
    path: str
    method: str = "GET"
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What an answer shows. The content is a JSON object, the lines of a text, or a title."""

    status: int
    media_type: str
    content: dict[str, object] | list[str]
    seconds: str | None
    """Time to live, as the answer to a token names it."""


def _token(name: str, **headers: str) -> Call:
    return Call(f"a token {name}", TOKEN_PATH, "PUT", headers)


def _lasting(seconds: str, **more: str) -> dict[str, str]:
    return {TTL: seconds, **more}


CALLS = (
    _token("without a time"),
    *(_token(f"for {n} s", **_lasting(n)) for n in ("0", "1", "60", "+60", "21600", "21601")),
    _token("for soon", **_lasting("soon")),
    _token("through a proxy", **_lasting("60", **{"X-Forwarded-For": "10.0.0.1"})),
    Call("GET of a token", TOKEN_PATH, "GET", _lasting("60")),
    Call("PUT of a document", _DOCUMENT, "PUT", {}),
    Call("a made-up token", _DOCUMENT, "GET", {TOKEN: "made-up"}),
    Call("no token", _DOCUMENT, "GET", {}),
    Call("user data without a token", "/latest/user-data", "GET", {}),
    Call("no such path, without a token", "/latest/none", "GET", {}),
    Call("a listing, without a token", "/latest/meta-data/placement/", "GET", {}),
    Call("the versions, without a token", "/", "GET", {}),
    Call("the top of meta-data, without a token", "/latest/meta-data/", "GET", {}),
)
"""Calls about tokens and refusals."""

DOCUMENTS = [
    "/latest/dynamic/instance-identity/document",
    "/latest/user-data",
    "/latest/user-data/",
    "/latest/meta-data/ami-id",
    "/latest/meta-data/hostname",
    "/latest/meta-data/iam/info",
    "/latest/meta-data/iam/security-credentials/bootstrap-role",
    "/latest/meta-data/instance-id",
    "/latest/meta-data/instance-id/",
    "/latest/meta-data/instance-type",
    "/latest/meta-data/local-hostname",
    "/latest/meta-data/local-ipv4",
    "/latest/meta-data/placement/availability-zone",
    "/latest/meta-data/placement/region",
    "/latest/meta-data/services/domain",
    "/latest/meta-data/services/partition",
    "/latest/meta-data/spot/instance-action",
    "/latest/meta-data/spot/termination-time",
    "/2021-03-23/meta-data/instance-id",
]
DIRECTORIES = [
    "/latest",
    "/latest/dynamic",
    "/latest/dynamic/instance-identity",
    "/latest/meta-data",
    "/latest/meta-data/iam",
    "/latest/meta-data/iam/security-credentials",
    "/latest/meta-data/placement",
    "/latest/meta-data/services",
    "/latest/meta-data/spot",
]
ABSENT = [
    "/latest/meta-data/iam/security-credentials/other",
    "/latest/meta-data/none",
    "/latest/none",
    "/none",
    "/latest/meta-data/events/recommendations/rebalance",
]


def all_calls() -> list[Call]:
    """The calls above, and one for every path; directories with and without a slash."""
    listings = [f"{path}{slash}" for path in DIRECTORIES for slash in ("", "/")]
    return [*CALLS, *(Call(path, path) for path in ["/", *DOCUMENTS, *listings, *ABSENT])]


def ask(url: str, call: Call) -> Seen:
    """The service's answer to a call, over a new connection."""
    headers = call.headers
    if headers is None:
        headers = {TOKEN: _send(url, "PUT", TOKEN_PATH, _lasting("60"))[1]}
    answer, body = _send(url, call.method, call.path, headers)
    return Seen(
        status=answer.status,
        media_type=answer.getheader("content-type", "").partition(";")[0],
        # Every token is another text.
        content=[] if call.path == TOKEN_PATH and answer.status == 200 else _content(body),
        seconds=answer.getheader(TTL) if call.path == TOKEN_PATH else None,
    )


def _send(
    url: str, method: str, path: str, headers: Mapping[str, str]
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def _content(body: str) -> dict[str, object] | list[str]:
    if body.startswith("{"):
        return {k: v for k, v in json.loads(body).items() if k not in _OF_THE_MOMENT}
    title = _TITLE.search(body)
    return [title.group(1)] if title else body.strip().splitlines()


def shared(seen: Seen, other: Seen) -> dict[str, object] | list[str]:
    """The part of `other`'s content that `seen` could have: the same names of a listing or object.

    Texts of one line are compared whole.
    """
    if isinstance(seen.content, dict) and isinstance(other.content, dict):
        return {name: other.content[name] for name in seen.content if name in other.content}
    if isinstance(seen.content, list) and isinstance(other.content, list):
        known = [line for line in other.content if line in seen.content]
        return known or other.content
    return other.content
