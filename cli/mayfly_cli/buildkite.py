"""Buildkite's two APIs, each with its own kind of token. Nothing is tried twice."""

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
    """What Buildkite said."""

    status: int
    content: Any
    """The JSON; None where there was none."""
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether it obeyed."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """Its reason for not obeying."""
        said = self.content.get("message", "") if isinstance(self.content, dict) else ""
        return f"{self.status} {said}".strip()


@dataclass(frozen=True, slots=True)
class Api:
    """Calls below one address with one token, which is shown by nothing here."""

    address: str
    scheme: str
    """`Token` for the agent API, `Bearer` for the REST API."""
    token: str = field(repr=False)
    http: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One call.

        Raises:
            BrokenError: there was no answer.
        """
        given = {**(headers or {}), "Authorization": f"{self.scheme} {self.token}"}
        try:
            # A redirect would take the token elsewhere.
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
                f"{host} cannot be reached ({type(error).__name__}): check the address and the way"
                " there"
            ) from error
        try:
            content = answer.json()
        except ValueError:
            content = None
        return Answer(answer.status_code, content, answer.headers)


def agent_api(address: str, token: str) -> Api:
    """The agent and Stacks API."""
    return Api(checked_address(address, AGENT_ENDPOINT), "Token", _hidden(token))


def rest_api(address: str, token: str) -> Api:
    """The REST API."""
    return Api(checked_address(address, API_ENDPOINT), "Bearer", _hidden(token))


def token_from(variable: str, environment: Mapping[str, str] = os.environ) -> str:
    """A token of the environment; empty when there is none. Never from a command line.

    Raises:
        UsageError: it cannot be a token, and no header could carry it.
    """
    token = environment.get(variable, "").strip()
    if not re.fullmatch("[!-~]*", token):
        raise UsageError(f"{variable} has white space or letters in it that no token has")
    return token


def _hidden(token: str) -> str:
    hide(token)
    return token
