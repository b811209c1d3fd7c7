"""The AWS calls of a host, without an SDK: `sigv4` signs the requests."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from mayfly_instance import role_session
from mayfly_instance.clock import Clock
from mayfly_instance.role_session import RoleSession
from mayfly_instance.sigv4 import Credentials, Request, sign

_LARGEST = 4 * 1024 * 1024
_DENIED = re.compile(
    "AccessDenied|UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature"
    "|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken|InvalidAccessKeyId"
)
_MISSING = re.compile("ParameterNotFound|ResourceNotFound|NoSuchKey|NoSuchVersion|NoSuchBucket")
_THROTTLED = re.compile(
    "Throttl|TooManyRequests|RequestLimitExceeded|ProvisionedThroughput|SlowDown"
)


class AwsError(Exception):
    """AWS refused a call; a retry would be refused, too."""


class Denied(AwsError):
    """These credentials have no right to the call, not yet or no longer."""


class Missing(AwsError):
    """The parameter, table, bucket or object does not exist."""


class Unavailable(AwsError):
    """No answer, a server error or throttling: a retry may succeed."""


@dataclass(frozen=True)
class Caller:
    """The owner of credentials, by sts:GetCallerIdentity."""

    arn: str
    user_id: str
    """`<role unique id>:<instance id>` for an instance's role: the key of its mailbox row."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of Parameter Store with its value as text, decrypted."""

    name: str
    """Full name, as `/vendors/buildkite/deploy/global/env/token`."""
    kind: str
    """`String`, `SecureString` or `StringList`, whose value has commas between its entries."""
    value: str = field(repr=False)


@dataclass(frozen=True)
class Page:
    """One page of the parameters below a path. It may be empty and not the last."""

    parameters: Sequence[Parameter]
    following: str
    """Mark of the next page; empty for the last."""


class Aws:
    """The services of one region; `endpoint`, if not empty, serves all of them (AWS_ENDPOINT_URL).

    Connections stay open between calls, so that a read of the mailbox costs one round trip. Every
    method raises AwsError or a subclass. `seconds` limits each network operation.
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
        """The owner of the credentials (sts:GetCallerIdentity, which no policy can deny)."""
        answer = self._sts(b"Action=GetCallerIdentity&Version=2011-06-15", credentials)
        arn = re.search(r"<Arn>([^<]+)</Arn>", answer)
        user_id = re.search(r"<UserId>([^<]+)</UserId>", answer)
        if not arn or not user_id:
            raise AwsError("sts: the answer names no caller")
        return Caller(arn=arn[1], user_id=user_id[1])

    def assume_role(self, credentials: Credentials, session: RoleSession) -> Credentials:
        """Credentials of a new session of a role (sts:AssumeRole and sts:TagSession)."""
        answer = self._sts(role_session.question(session), credentials)
        try:
            return role_session.credentials_in(answer)
        except ValueError as error:
            raise AwsError(f"sts: {error}") from error

    def parameter(self, credentials: Credentials, name: str) -> str:
        """The value of an SSM parameter. Raises Missing."""
        answer = self._json("ssm", "AmazonSSM.GetParameter", {"Name": name}, credentials)
        return str(answer["Parameter"]["Value"])

    def parameters_named(
        self, credentials: Credentials, names: Sequence[str]
    ) -> Sequence[Parameter]:
        """Those of these SSM parameters that exist, decrypted. At most ten names in a call."""
        body = {"Names": list(names), "WithDecryption": True}
        answer = self._json("ssm", "AmazonSSM.GetParameters", body, credentials)
        return _parameters(answer)

    def parameters_below(self, credentials: Credentials, path: str, mark: str = "") -> Page:
        """A page of the SSM parameters at any depth below the path, decrypted.

        `mark` is the `following` of the page before; empty for the first page. IAM checks the path,
        and the key of each value.
        """
        # Ten is the most: SSM API reference, GetParametersByPath.
        body: dict[str, Any] = {"Path": path, "Recursive": True}
        body |= {"WithDecryption": True, "MaxResults": 10}
        if mark:
            body["NextToken"] = mark
        answer = self._json("ssm", "AmazonSSM.GetParametersByPath", body, credentials)
        return Page(_parameters(answer), str(answer.get("NextToken") or ""))

    def item(
        self, credentials: Credentials, table: str, key: str, *, consistent: bool = False
    ) -> Mapping[str, Any] | None:
        """The row with this `key`; None without one. At most about a second old, or `consistent`.

        An eventually consistent read costs half as much, for a caller that polls anyway.
        """
        body = {"TableName": table, "Key": {"key": {"S": key}}, "ConsistentRead": consistent}
        found = self._json("dynamodb", "DynamoDB_20120810.GetItem", body, credentials).get("Item")
        return None if found is None else {name: _plain(value) for name, value in found.items()}

    def set_attribute(
        self, credentials: Credentials, table: str, key: str, name: str, value: Mapping[str, Any]
    ) -> None:
        """Set one attribute of a row to a map; other attributes stay."""
        body = {
            "TableName": table,
            "Key": {"key": {"S": key}},
            "UpdateExpression": f"SET {name} = :r",
            "ExpressionAttributeValues": {":r": _typed(value)},
        }
        self._json("dynamodb", "DynamoDB_20120810.UpdateItem", body, credentials)

    def object(self, credentials: Credentials, bucket: str, key: str, version: str = "") -> bytes:
        """The content of an S3 object, of at most 4 MB; the latest without a version's id.

        A version needs s3:GetObjectVersion. Raises Missing, or AwsError for a larger object.
        """
        path = quote(key, safe="/~")
        if version:
            path += f"?versionId={quote(version, safe='~')}"
        # S3's certificate covers no bucket name with dots; a lab serves all buckets on one host.
        if self._endpoint or "." in bucket:
            url = f"{self._base('s3')}/{bucket}/{path}"
        else:
            url = f"https://{bucket}.s3.{self.region}.{self._domain}/{path}"
        content = self._call("s3", Request("GET", url, {}), credentials)
        if len(content) >= _LARGEST:
            raise AwsError(f"s3: {bucket}/{key} has 4 MB or more")
        return content

    def _base(self, service: str) -> str:
        return self._endpoint or f"https://{service}.{self.region}.{self._domain}"

    def _sts(self, body: bytes, credentials: Credentials) -> str:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        request = Request("POST", f"{self._base('sts')}/", headers, body)
        return self._call("sts", request, credentials).decode("utf-8", "replace")

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
                # The server may close an idle connection at any time. All calls here are safe to
                # repeat, so the result of a new connection counts.
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
        if answer.will_close or not answer.isclosed():  # Or longer than read.
            connection.close()
        else:
            self._open[f"{url.scheme}://{url.netloc}"] = connection
        return answer.status, body


def _parameters(answer: Mapping[str, Any]) -> Sequence[Parameter]:
    """The parameters of an answer. Raises AwsError for an answer that is not as documented."""
    try:
        found = [(each["Name"], each["Type"], each["Value"]) for each in answer["Parameters"]]
    except (KeyError, TypeError):
        raise AwsError("ssm: the answer has no readable parameters") from None
    return [Parameter(str(name), str(kind), str(value)) for name, kind, value in found]


def _refusal(service: str, status: int, body: str) -> AwsError:
    # JSON services put the error code into __type (with a namespace), others into <Code>.
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
    """The value as a DynamoDB attribute value."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": {name: _typed(each) for name, each in value.items()}}
    return {"S": str(value)}


def _plain(value: Mapping[str, Any]) -> Any:
    """The value of a DynamoDB attribute value; whole numbers as int, others as float."""
    (kind, found), *_ = value.items()
    if kind == "M":
        return {name: _plain(each) for name, each in found.items()}
    if kind == "L":
        return [_plain(each) for each in found]
    if kind == "N":
        return int(found) if found.lstrip("-").isdigit() else float(found)
    return None if kind == "NULL" else found
