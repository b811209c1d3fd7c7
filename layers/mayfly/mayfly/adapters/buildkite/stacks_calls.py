"""One call to Buildkite's Stacks API: request, rate limits, errors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter

from mayfly.adapters.buildkite.failures import Failures
from mayfly.adapters.buildkite.rate_limits import RateLimits
from mayfly.adapters.buildkite.refusals import Refusals
from mayfly.adapters.elements import text
from mayfly.errors import (
    Conflict,
    MayflyError,
    Misconfigured,
    NotFound,
    TokenRefused,
    Transient,
)

TIME_OUTS = (2.0, 5.0)
"""Seconds to connect, and seconds between two bytes of the answer."""

_OF_ONE_JOB = frozenset({"finish", "job"})
"""Endpoints whose path names a job: 404 and 422 say nothing of other jobs."""
_ANY_CALL = "any call"
"""Subject of the token's refusals."""
_ABOUT_401 = (
    "Buildkite refuses the agent token: it is revoked, expired, or no agent token of a cluster. "
    "Write a valid one into the token's parameter"
)
_ABOUT_403 = (
    "Buildkite knows the agent token and forbids this call. See, in the cluster's settings at "
    "Buildkite, the token's permissions, its queue access and its allowed IP addresses, and the "
    "organization's limit of 30 stacks"
)


class Refused(Misconfigured):
    """Buildkite understood the request and refuses it (422)."""


class AgentToken(Protocol):
    """Source of the cluster's agent token."""

    def value(self) -> str:
        """The token. Raises Misconfigured when there is none."""

    def refused(self) -> None:
        """Note that Buildkite refused the token: the token may have been replaced."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the Stacks API."""

    endpoint: str
    """The endpoint that Buildkite's limit counts."""
    method: str
    path: str
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] | None = None
    queue: str = ""
    """The one queue that the request is about; empty where it is about several, or unknown."""

    def subjects(self) -> tuple[str, ...]:
        """What a refusal may be about, widest first: the endpoint's calls of a queue, this call."""
        text = json.dumps([self.path, self.body, self.query])
        this = f"{self.endpoint} {hashlib.sha256(text.encode()).hexdigest()}"
        return (self.about(), this) if self.queue else (this,)

    def about(self) -> str:
        """The endpoint, and the queue that the request is about."""
        return f"{self.endpoint} of queue {self.queue}" if self.queue else self.endpoint

    def failing_subject(self) -> str:
        """What fails with this request: the endpoint's calls of a queue, or this call alone."""
        return self.subjects()[-1 if self.endpoint in _OF_ONE_JOB else 0]


class StacksCalls:
    """Calls below one address, over kept connections. No call is repeated."""

    def __init__(
        self, address: str, token: AgentToken, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address.rstrip("/")
        self._token = token
        self._limits = RateLimits(clock)
        self._refusals = Refusals(clock)
        self._failures = Failures(clock)
        self._clock = clock
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "mayfly"
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=16, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def call(self, request: Request) -> Mapping[str, Any]:
        """The answer's JSON object.

        Raises Transient for 408, 429, 5xx, a failing network and a closed endpoint, TokenRefused
        for 401 and for a token's parameter that cannot be read, Refused for 422, Misconfigured for
        any other refused request, NotFound for 404, Conflict for 409. A refusal of the token, of
        an endpoint's calls about one queue, or of the same call is raised again without a call
        while its pause lasts; so is Transient from the second failure in a row on.
        """
        endpoint = request.endpoint
        self._limits.check(endpoint)
        # Before the refusals: a trial that is allowed there must be made.
        self._failures.check(request.failing_subject())
        for subject in (*request.subjects(), _ANY_CALL):
            self._refusals.check(subject)
        signed, began = self._signature(), self._clock()
        try:
            response = self._session.request(
                request.method,
                f"{self._address}/{request.path}",
                json=request.body,
                params=request.query,
                auth=signed,
                timeout=TIME_OUTS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            failure = Transient(f"{request.about()}: no answer from Buildkite: {error}")
            self._remember(request, failure, began)
            raise failure from error
        answer = _body(response)
        wait = self._limits.note(
            endpoint, response.status_code, response.headers, answer.get("reset")
        )
        status = response.status_code
        said = text(answer, "message")
        refusal = None if status < 300 else _error(request, status, said, wait)
        self._remember(request, refusal, began)
        if refusal is not None:
            raise refusal
        return answer

    def _signature(self) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        """Signs a request. Raises TokenRefused when the token's parameter cannot be read."""
        try:
            token = self._token.value()
        except Misconfigured as error:
            refused = TokenRefused(f"there is no agent token for Buildkite: {error}")
            self._refusals.note(_ANY_CALL, refused)
            raise refused from error

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            # requests would replace a plain header by a .netrc entry for the host.
            request.headers["Authorization"] = f"Token {token}"
            return request

        return sign

    def _remember(self, request: Request, error: MayflyError | None, began: float) -> None:
        """Note a failure or a refusal, and forget former ones that this answer disproves."""
        if isinstance(error, Transient):
            # A wait that Buildkite asks for is kept by the rate limits.
            if not error.retry_after:
                self._failures.note(request.failing_subject(), error, began)
            return
        self._failures.forget(request.failing_subject())
        subjects = request.subjects()
        if isinstance(error, TokenRefused):
            self._token.refused()
            self._refusals.note(_ANY_CALL, error)
            return
        self._refusals.forget(_ANY_CALL)
        if isinstance(error, Misconfigured | NotFound):
            alone = request.endpoint in _OF_ONE_JOB and isinstance(error, Refused | NotFound)
            self._refusals.note(subjects[-1 if alone else 0], error)
            return
        for subject in subjects:
            self._refusals.forget(subject)


def _body(response: requests.Response) -> Mapping[str, Any]:
    """The JSON object of an answer; empty for any other body, such as a proxy's error."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _error(request: Request, status: int, message: str, wait: float | None) -> MayflyError:
    answers = f"Buildkite answers {status} {message}".rstrip()
    said = f"{request.about()}: {answers}"
    if status in {408, 429} or status >= 500:
        return Transient(said, retry_after=wait)
    if status == 401:
        return TokenRefused(f"{answers}: {_ABOUT_401}")
    if status == 403:
        return Misconfigured(f"{said}: {_ABOUT_403}")
    if status == 404:
        return NotFound(said)
    if status == 409:
        return Conflict(said)
    return Refused(said) if status == 422 else Misconfigured(said)
