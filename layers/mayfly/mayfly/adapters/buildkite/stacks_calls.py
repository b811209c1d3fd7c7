"""One call to Buildkite's Stacks API: request, rate limits, errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter

from mayfly.adapters.buildkite.rate_limits import RateLimits
from mayfly.errors import Conflict, MayflyError, Misconfigured, NotFound, Transient

TIME_OUTS = (2.0, 5.0)
"""Seconds to connect, and seconds between two bytes of the answer."""


class Refused(Misconfigured):
    """Buildkite understood the request and refuses it (422)."""


class AgentToken(Protocol):
    """Source of the cluster's agent token."""

    def value(self) -> str:
        """The token. Raises Misconfigured when there is none."""

    def refused(self) -> None:
        """Note that Buildkite refused the token: the token may have been replaced."""


class StacksCalls:
    """Calls below one address, over kept connections. No call is repeated."""

    def __init__(
        self, address: str, token: AgentToken, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address.rstrip("/")
        self._token = token
        self._limits = RateLimits(clock)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "mayfly"
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=16, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def call(
        self,
        endpoint: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """The answer's JSON object. `endpoint` names the endpoint that Buildkite's limit counts.

        Raises Transient for 408, 429, 5xx, a failing network and a closed endpoint, Misconfigured
        for a refused token, Refused for 422, Misconfigured for any other refused request,
        NotFound for 404, Conflict for 409.
        """
        self._limits.check(endpoint)
        try:
            response = self._session.request(
                method,
                f"{self._address}/{path}",
                json=body,
                params=query,
                auth=self._sign,
                timeout=TIME_OUTS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Transient(f"{endpoint}: no answer from Buildkite: {error}") from error
        answer = _body(response)
        wait = self._limits.note(
            endpoint, response.status_code, response.headers, answer.get("reset")
        )
        if response.status_code < 300:
            return answer
        if response.status_code == 401:
            self._token.refused()
        raise _error(endpoint, response.status_code, str(answer.get("message", "")), wait)

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # requests would replace a plain header by a .netrc entry for the host.
        request.headers["Authorization"] = f"Token {self._token.value()}"
        return request


def _body(response: requests.Response) -> Mapping[str, Any]:
    """The JSON object of an answer; empty for any other body, such as a proxy's error."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _error(endpoint: str, status: int, message: str, wait: float | None) -> MayflyError:
    text = f"{endpoint}: Buildkite answers {status} {message}".rstrip()
    if status in {408, 429} or status >= 500:
        return Transient(text, retry_after=wait)
    if status == 401:
        return Misconfigured(f"{text}: Buildkite refuses the agent token")
    if status == 404:
        return NotFound(text)
    if status == 409:
        return Conflict(text)
    return Refused(text) if status == 422 else Misconfigured(text)
