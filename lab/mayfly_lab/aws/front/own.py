"""Operations that the front door answers itself, because moto answers wrongly or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from xml.sax.saxutils import escape

from buildkite_emulator.serving.server import Answer, Request
from mayfly_lab.aws.front.call import Call, Principal, Refusal

DOWNLOAD_SECONDS = 600
"""Seconds for which a layer's download address is valid, as in AWS."""
DOWNLOADS = "/layer-downloads/"
TRANSACTION_TOKEN_SECONDS = 600
"""Seconds for which DynamoDB remembers a ClientRequestToken after the first call."""


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """One published version of a layer."""

    arn: str
    version: int
    description: str
    content: bytes


class LayerShelf(Protocol):
    """The store of published layers."""

    def layer_version(self, arn: str) -> LayerVersion | None:
        """The layer version with this ARN (with its number); None when unknown."""


def caller_identity(principal: Principal) -> Answer:
    """Answer of STS GetCallerIdentity. moto does not have the lab's principals."""
    body = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>{escape(principal.arn)}</Arn>"
        f"<UserId>{escape(principal.userid)}</UserId><Account>{principal.account}</Account>"
        f"</GetCallerIdentityResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId>"
        "</ResponseMetadata></GetCallerIdentityResponse>"
    )
    return Answer(200, body.encode(), {"content-type": "text/xml"})


class Layers:
    """GetLayerVersion with a working download address.

    moto answers with the location `s3://`, and does not have GetLayerVersionByArn.
    """

    def __init__(self, shelf: LayerShelf, clock: Callable[[], float] = time.time) -> None:
        self._shelf = shelf
        self._clock = clock
        self._lock = threading.Lock()
        self._downloads: dict[str, tuple[float, bytes]] = {}

    def get(self, call: Call, request: Request) -> Answer:
        """Answer GetLayerVersion or GetLayerVersionByArn.

        Raises:
            Refusal: the layer version does not exist.
        """
        arn = str(call.parameters.get("Arn") or "")
        if not arn:
            arn = f"{call.parameters['LayerName']}:{call.parameters['VersionNumber']}"
        found = self._shelf.layer_version(arn)
        if found is None:
            raise Refusal("ResourceNotFoundException", f"Layer version {arn} does not exist.", 404)
        digest = base64.b64encode(hashlib.sha256(found.content).digest()).decode()
        body = {
            "Content": {
                "Location": f"http://{request.host}{self._offer(found.content)}",
                "CodeSha256": digest,
                "CodeSize": len(found.content),
            },
            "LayerArn": found.arn.rpartition(":")[0],
            "LayerVersionArn": found.arn,
            "Description": found.description,
            "Version": found.version,
        }
        return Answer(200, json.dumps(body).encode(), {"content-type": "application/json"})

    def _offer(self, content: bytes) -> str:
        path = DOWNLOADS + secrets.token_urlsafe(24)
        with self._lock:
            self._downloads[path] = (self._clock() + DOWNLOAD_SECONDS, content)
        return path

    def download(self, path: str) -> Answer:
        """The content of a download address; 403 for an unknown or expired address."""
        until, content = self._downloads.get(path, (0.0, b""))
        if self._clock() >= until:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        return Answer(200, content, {"content-type": "application/zip"})


class TransactionTokens:
    """Makes TransactWriteItems idempotent by ClientRequestToken, as in DynamoDB; moto does not.

    Without this, a retry after a lost answer meets its own write and is cancelled.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._done: dict[tuple[str, str], tuple[float, str, Answer]] = {}

    def answered(self, principal: Principal, call: Call, request: Request) -> Answer | None:
        """The first answer to a repeated transaction; None for a new one or without a token.

        Raises:
            Refusal: the token was used for another transaction.
        """
        with self._lock:
            done = self._done.get(self._key(principal, call))
        if done is None or self._clock() >= done[0]:
            return None
        if done[1] != hashlib.sha256(request.body).hexdigest():
            raise Refusal(
                "IdempotentParameterMismatchException",
                "The request token was used with other parameters",
            )
        return done[2]

    def remember(self, principal: Principal, call: Call, request: Request, answer: Answer) -> None:
        """Keep the answer of a successful transaction."""
        if call.parameters.get("ClientRequestToken") and answer.status == 200:
            until = self._clock() + TRANSACTION_TOKEN_SECONDS
            digest = hashlib.sha256(request.body).hexdigest()
            with self._lock:
                self._done[self._key(principal, call)] = (until, digest, answer)

    @staticmethod
    def _key(principal: Principal, call: Call) -> tuple[str, str]:
        return principal.account, str(call.parameters.get("ClientRequestToken") or "")
