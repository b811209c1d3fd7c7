"""The object storage for artifacts: accepts signed forms and parts, as S3 does.

Source: buildkite/agent internal/artifact/bk_uploader.go for the agent's requests, and Amazon's
"POST Object" and "Browser-based uploads" pages for fields, order and errors. Calls carry no token:
the signature in the form or URL grants access.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from buildkite_emulator.serving.http import Response
from buildkite_emulator.serving.wire_time import iso, parse

from .forms import Form

PREFIX = "/artifact-storage"
UPLOAD_LIFE = timedelta(hours=1)
DOWNLOAD_LIFE = timedelta(seconds=60)
"""Buildkite's documents say to assume this life of a download URL."""
PATH_VARIABLE = "${artifact:path}"
_ACCESS_KEY = "AKIALABARTIFACTS0000"


class ObjectStorage:
    """Objects in memory, and the secret that signs access to them."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, str]] = {}
        self._parts: dict[str, dict[int, bytes]] = {}
        self._secret = secrets.token_bytes(32)

    def form_fields(self, prefix: str, largest: int, now: datetime) -> dict[str, str]:
        """The fields of a signed form for uploads below `prefix`, up to `largest` bytes each."""
        conditions: list[object] = [
            ["starts-with", "$key", prefix],
            {"acl": "private"},
            ["content-length-range", 0, largest],
        ]
        policy = {"expiration": iso(now + UPLOAD_LIFE), "conditions": conditions}
        encoded = base64.b64encode(json.dumps(policy).encode()).decode()
        return {
            "key": f"{prefix}{PATH_VARIABLE}",
            "acl": "private",
            "success_action_status": "201",
            "AWSAccessKeyId": _ACCESS_KEY,
            "policy": encoded,
            "signature": self._sign(encoded),
        }

    def upload_form(self, form: Form, now: datetime) -> Response:
        """`POST /`: stores the form's file under the form's key. Returns an S3 error on refusal."""
        policy, signature = form.fields.get("policy", ""), form.fields.get("signature", "")
        if form.fields.get("AWSAccessKeyId") != _ACCESS_KEY:
            return _error(403, "InvalidAccessKeyId", "The AWS Access Key Id does not exist.")
        if not hmac.compare_digest(signature, self._sign(policy)):
            return _error(403, "SignatureDoesNotMatch", "The signature does not match.")
        if form.file is None:
            return _error(400, "InvalidArgument", "POST requires exactly one file upload.")
        refusal = _policy_refusal(json.loads(base64.b64decode(policy)), form.fields, form.file, now)
        if refusal is not None:
            return refusal
        key = form.fields["key"]
        self._objects[key] = (form.file, form.fields.get("Content-Type", form.file_type))
        status = form.fields.get("success_action_status", "")
        return Response(201 if status == "201" else 204, headers={"ETag": _etag(form.file)})

    def part_path(self, key: str, number: int, now: datetime) -> str:
        """A signed path for the upload of one part."""
        return self._signed_path(key, now + UPLOAD_LIFE, part=number)

    def upload_part(
        self, path_key: str, query: dict[str, str], body: bytes, now: datetime
    ) -> Response:
        """`PUT /<key>?partNumber=`: stores a part for `complete`. S3 error on refusal."""
        number = query.get("partNumber", "")
        if not number.isdigit() or not self._is_signed(path_key, query, now):
            return _error(403, "AccessDenied", "Request has expired or is not signed.")
        self._parts.setdefault(path_key, {})[int(number)] = body
        return Response(200, headers={"ETag": _etag(body)})

    def complete(self, key: str, etags: dict[int, str], content_type: str) -> bool:
        """Join an object's parts. Returns False, without a change, if parts and tags differ."""
        parts = self._parts.get(key, {})
        held = {number: _etag(part) for number, part in parts.items()}
        if not etags or held != etags:
            return False
        self._objects[key] = (b"".join(parts[number] for number in sorted(parts)), content_type)
        del self._parts[key]
        return True

    def download_path(self, key: str, now: datetime) -> str:
        """A signed path for the download of an object; valid for `DOWNLOAD_LIFE`."""
        return self._signed_path(key, now + DOWNLOAD_LIFE)

    def download(self, key: str, query: dict[str, str], now: datetime) -> Response:
        """`GET /<key>`: the object's bytes. Returns an S3 error on refusal."""
        if "partNumber" in query or not self._is_signed(key, query, now):
            return _error(403, "AccessDenied", "Request has expired or is not signed.")
        found = self._objects.get(key)
        if found is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        return Response(200, found[0], {"ETag": _etag(found[0])}, found[1])

    def content(self, key: str) -> bytes | None:
        """The object's bytes; None for a key without an object."""
        found = self._objects.get(key)
        return None if found is None else found[0]

    def remove(self, key: str) -> None:
        """Delete an object; an unknown key is ignored."""
        self._objects.pop(key, None)

    def _signed_path(self, key: str, until: datetime, part: int | None = None) -> str:
        expires = str(int(until.timestamp()))
        number = {} if part is None else {"partNumber": str(part)}
        signature = self._sign(f"{key}\n{expires}\n{part or ''}")
        query = {**number, "AWSAccessKeyId": _ACCESS_KEY, "Expires": expires}
        return f"{PREFIX}/{quote(key)}?{urlencode({**query, 'Signature': signature})}"

    def _is_signed(self, key: str, query: dict[str, str], now: datetime) -> bool:
        expires = query.get("Expires", "")
        wanted = self._sign(f"{key}\n{expires}\n{query.get('partNumber', '')}")
        signed = hmac.compare_digest(query.get("Signature", ""), wanted)
        return signed and expires.isdigit() and now.timestamp() < int(expires)

    def _sign(self, text: str) -> str:
        digest = hmac.new(self._secret, text.encode(), hashlib.sha1).digest()
        return base64.b64encode(digest).decode()


def _policy_refusal(
    policy: Any, fields: dict[str, str], file: bytes, now: datetime
) -> Response | None:
    expiration = parse(policy["expiration"])
    if expiration is None or expiration <= now:
        return _error(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            met = all(fields.get(name) == value for name, value in condition.items())
        elif condition[0] == "starts-with":
            met = fields.get(condition[1].removeprefix("$"), "").startswith(condition[2])
        elif len(file) > condition[2]:
            return _error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum.")
        else:
            met = True
        if not met:
            message = f"Invalid according to Policy: Policy Condition failed: {condition}"
            return _error(403, "AccessDenied", message)
    return None


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _error(status: int, code: str, message: str) -> Response:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(status, body.encode(), content_type="application/xml")
