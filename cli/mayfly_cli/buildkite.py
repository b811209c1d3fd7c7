"""Clients of Buildkite's two APIs, each with its own kind of token. No call is retried."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from mayfly.scrubbing import hide
from mayfly_cli.endpoints import AGENT_ENDPOINT, API_ENDPOINT, checked_address
from mayfly_cli.ends import BrokenError, UsageError


@dataclass(frozen=True, slots=True)
class Answer:
    """Buildkite's answer to one call."""

    status: int
    content: Any
    """The parsed JSON body; None if the body is no JSON."""
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The status and Buildkite's `message`, for error texts."""
        said = self.content.get("message", "") if isinstance(self.content, dict) else ""
        return f"{self.status} {said}".strip()


@dataclass(frozen=True, slots=True)
class Api:
    """A client for one base address with one token. No repr, error or log shows the token."""

    address: str
    scheme: str
    """`Token` for the agent API, `Bearer` for the REST API."""
    token: str = field(repr=False)
    http: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Buildkite's answer to one call, whatever its status.

        Raises:
            BrokenError: Buildkite did not answer.
        """
        given = {**(headers or {}), "Authorization": f"{self.scheme} {self.token}"}
        try:
            # Following a redirect would send the token to another host.
            answer = self.http.request(
                method,
                f"{self.address}/{path.lstrip('/')}",
                json=body,
                headers=given,
                timeout=(5, 20),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            host = urlsplit(self.address).netloc
            raise BrokenError(
                f"{host} cannot be reached ({type(error).__name__}): check the address and the"
                " network"
            ) from error
        try:
            content = answer.json()
        except ValueError:
            content = None
        return Answer(answer.status_code, content, answer.headers)


def agent_api(address: str, token: str) -> Api:
    """A client of the agent API and the Stacks API.

    Raises:
        UsageError: the address is neither https nor loopback.
    """
    return Api(checked_address(address, AGENT_ENDPOINT), "Token", _hidden(token))


def rest_api(address: str, token: str) -> Api:
    """A client of the REST API.

    Raises:
        UsageError: the address is neither https nor loopback.
    """
    return Api(checked_address(address, API_ENDPOINT), "Bearer", _hidden(token))


def token_from(variable: str, environment: Mapping[str, str] = os.environ) -> str:
    """The token in an environment variable; empty if the variable is not set.

    Tokens are never read from the command line, which other users of the machine can see.

    Raises:
        UsageError: the value has characters that no HTTP header can carry.
    """
    token = environment.get(variable, "").strip()
    if not re.fullmatch("[!-~]*", token):
        raise UsageError(f"{variable} has white space or characters in it that no token has")
    return token


def _hidden(token: str) -> str:
    hide(token)
    return token
