"""The few AWS calls of a host, signed by our own hand and without an SDK."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from mayfly_instance.clock import Clock
from mayfly_instance.sigv4 import Credentials, Request, sign

_LARGEST = 4 * 1024 * 1024
_DENIED = re.compile(
    "AccessDenied|UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature"
    "|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken|InvalidAccessKeyId"
)
_MISSING = re.compile("ParameterNotFound|ResourceNotFound|NoSuchKey|NoSuchBucket")
_THROTTLED = re.compile(
    "Throttl|TooManyRequests|RequestLimitExceeded|ProvisionedThroughput|SlowDown"
)


class AwsError(Exception):
    """AWS refused a call for good: a repeat would be refused, too."""


class Denied(AwsError):
    """AWS does not let these credentials do that (any more)."""


class Missing(AwsError):
    """There is no such thing: parameter, table, object."""


class Unavailable(AwsError):
    """No answer, a server error or a throttle: a later try may do."""


@dataclass(frozen=True)
class Caller:
    """Who AWS says that credentials belong to."""

    arn: str
    user_id: str
    """`<role unique id>:<instance id>` for an instance's role: the key of its mailbox row."""


class Aws:
    """The services of one region. `endpoint` stands in for all of them, as AWS_ENDPOINT_URL does.

    Connections are kept between calls, so that a look into the mailbox costs one round trip.
    Every method raises AwsError or one of its kinds.
    """

    def __init__(
        self, region: str, partition: str, endpoint: str, clock: Clock, seconds: float = 5
    ) -> None:
        self.region = region
        self._domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        self._endpoint = endpoint.rstrip("/")
        self._clock = clock
        self._seconds = seconds
        self._open: dict[str, http.client.HTTPConnection] = {}

    def caller(self, credentials: Credentials) -> Caller:
        """Whose credentials these are (sts:GetCallerIdentity, which no policy can deny)."""
        body = b"Action=GetCallerIdentity&Version=2011-06-15"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"{self._base('sts')}/"
        answer = self._call("sts", Request("POST", url, headers, body), credentials).decode()
        arn = re.search(r"<Arn>([^<]+)</Arn>", answer)
        user_id = re.search(r"<UserId>([^<]+)</UserId>", answer)
        if not arn or not user_id:
            raise AwsError("sts: the answer names no caller")
        return Caller(arn=arn[1], user_id=user_id[1])

    def parameter(self, credentials: Credentials, name: str) -> str:
        """The value of an SSM parameter. Raises Missing."""
        answer = self._json("ssm", "AmazonSSM.GetParameter", {"Name": name}, credentials)
        return str(answer["Parameter"]["Value"])

    def item(self, credentials: Credentials, table: str, key: str) -> Mapping[str, Any] | None:
        """The row of a table with this `key`, as it was within the last second; None without one.

        The read is eventually consistent: it costs half as much, and is asked again in any case.
        """
        body = {"TableName": table, "Key": {"key": {"S": key}}, "ConsistentRead": False}
        found = self._json("dynamodb", "DynamoDB_20120810.GetItem", body, credentials).get("Item")
        return None if found is None else {name: _plain(value) for name, value in found.items()}

    def set_attribute(
        self, credentials: Credentials, table: str, key: str, name: str, value: Mapping[str, Any]
    ) -> None:
        """Set one attribute of a row to a map."""
        body = {
            "TableName": table,
            "Key": {"key": {"S": key}},
            "UpdateExpression": f"SET {name} = :r",
            "ExpressionAttributeValues": {":r": _typed(value)},
        }
        self._json("dynamodb", "DynamoDB_20120810.UpdateItem", body, credentials)

    def object(self, credentials: Credentials, bucket: str, key: str) -> bytes:
        """An object of S3, at most 4 MB."""
        path = quote(key, safe="/~")
        # A bucket's name with dots is in no certificate, and a lab has one host for all.
        if self._endpoint or "." in bucket:
            url = f"{self._base('s3')}/{bucket}/{path}"
        else:
            url = f"https://{bucket}.s3.{self.region}.{self._domain}/{path}"
        return self._call("s3", Request("GET", url, {}), credentials)

    def _base(self, service: str) -> str:
        return self._endpoint or f"https://{service}.{self.region}.{self._domain}"

    def _json(
        self, service: str, target: str, body: Mapping[str, Any], credentials: Credentials
    ) -> Any:
        kind = "application/x-amz-json-1." + ("0" if service == "dynamodb" else "1")
        headers = {"Content-Type": kind, "X-Amz-Target": target}
        url = f"{self._base(service)}/"
        raw = json.dumps(body).encode()
        answer = self._call(service, Request("POST", url, headers, raw), credentials)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise Unavailable(f"{service}: the answer is not JSON") from error

    def _call(self, service: str, request: Request, credentials: Credentials) -> bytes:
        headers = sign(request, credentials, self.region, service, self._clock.now())
        try:
            status, body = self._exchange(request, headers)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{service}: {type(error).__name__}: {error}") from error
        if status == 200:
            return body
        raise _refusal(service, status, body.decode("utf-8", "replace"))

    def _exchange(self, request: Request, headers: Mapping[str, str]) -> tuple[int, bytes]:
        url = urlsplit(request.url)
        kept = self._open.pop(f"{url.scheme}://{url.netloc}", None)
        if kept is not None:
            try:
                return self._send(kept, request, headers)
            except (http.client.HTTPException, OSError):
                # The other end may drop a quiet connection at any time; all our calls may be
                # repeated. A fresh connection decides.
                kept.close()
        make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        return self._send(make(url.netloc, timeout=self._seconds), request, headers)

    def _send(
        self, connection: http.client.HTTPConnection, request: Request, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        url = urlsplit(request.url)
        path = f"{url.path}?{url.query}" if url.query else url.path
        try:
            connection.request(request.method, path, request.body or None, dict(headers))
            answer = connection.getresponse()
            body = answer.read(_LARGEST)
        except BaseException:
            connection.close()
            raise
        if answer.will_close or not answer.isclosed():  # It says so, or it is longer than we read.
            connection.close()
        else:
            self._open[f"{url.scheme}://{url.netloc}"] = connection
        return answer.status, body


def _refusal(service: str, status: int, body: str) -> AwsError:
    # JSON services name the error in __type (with a namespace), the others in <Code>.
    named = re.search(r'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"|<Code>([^<]+)</Code>', body)
    said = re.search(r'"[mM]essage"\s*:\s*"([^"]*)"|<Message>([^<]*)</Message>', body)
    code = (named and (named[1] or named[2])) or "no code"
    text = f"{service}: {status} {code}: {(said and (said[1] or said[2])) or ''}"
    if _THROTTLED.search(code) or status >= 500 or status == 429:
        return Unavailable(text)
    if _MISSING.search(code) or status == 404:
        return Missing(text)
    return Denied(text) if _DENIED.search(code) or status in {401, 403} else AwsError(text)


def _typed(value: Any) -> dict[str, Any]:
    """A value in DynamoDB's form."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": {name: _typed(each) for name, each in value.items()}}
    return {"S": str(value)}


def _plain(value: Mapping[str, Any]) -> Any:
    """A value out of DynamoDB's form. Numbers come as int where they are."""
    (kind, found), *_ = value.items()
    if kind == "M":
        return {name: _plain(each) for name, each in found.items()}
    if kind == "L":
        return [_plain(each) for each in found]
    if kind == "N":
        return int(found) if found.lstrip("-").isdigit() else float(found)
    return None if kind == "NULL" else found
