"""Calls of a provider's HTTP API with one token, which no repr, error or redirect shows."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from mayfly.scrubbing import hide, scrub
from mayfly_cli.deploy_keys.port import DeployKey, Refused, Unsure

PAGES = 50
"""Pages of a list that are read at most, of 100 keys each."""
_LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a provider, and where the tool has it from."""

    value: str = field(repr=False)
    source: str
    """As errors name it: `GITHUB_TOKEN`, or the name of a parameter."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its parsed JSON; None for any other content."""

    status: int
    content: Any
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The whole content in small letters, for a search for words."""
        return str(self.content).lower()

    @property
    def said(self) -> str:
        """The status and the provider's own message, in one line."""
        message = scrub(" ".join(_message(self.content).split()))[:_LONGEST_MESSAGE]
        return f"{self.status} {message}".strip()


@dataclass(frozen=True, slots=True)
class Http:
    """Calls of one provider."""

    address: str
    provider: str
    """The provider's name, for errors."""
    headers: Mapping[str, str] = field(repr=False)
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """The answer to one call, which is sent once.

        Raises Unsure without an answer, and for an error of the provider's own (5xx).
        """
        try:
            sent = self.session.request(
                method,
                f"{self.address}/{path}",
                json=body,
                headers={"Accept": "application/json", **self.headers},
                timeout=(5, 20),
                allow_redirects=False,  # it would send the token to another host
                auth=_no_netrc,
            )
        except requests.RequestException as error:
            # The error's own text holds the request, and with it the token.
            raise Unsure(
                f"{self.provider} at {urlsplit(self.address).netloc} gives no answer "
                f"({type(error).__name__})"
            ) from None
        try:
            content = sent.json() if sent.content else None
        except ValueError:
            content = None
        answer = Answer(sent.status_code, content, sent.headers)
        if answer.status >= 500:
            raise Unsure(f"{self.provider} answers {answer.said}")
        if 300 <= answer.status < 400:
            raise Refused(
                f"{self.provider} answers {answer.status}, a redirect: the repository has another "
                "name now, or --api is not the address of the API"
            )
        if answer.ok and answer.content is None and method != "DELETE":
            raise Unsure(f"{self.provider} answers {answer.status} without JSON: is --api right?")
        return answer


def basic_or_bearer(token: Token) -> str:
    """The Authorization header: Basic for a token of the form `user:token`, else Bearer."""
    hide(token.value)
    if ":" in token.value:
        encoded = base64.b64encode(token.value.encode()).decode()
        hide(encoded)
        return f"Basic {encoded}"
    return f"Bearer {token.value}"


def read_key(found: Any, read: Callable[[Mapping[str, Any]], DeployKey]) -> DeployKey:
    """A deploy key of an answer. Raises Unsure for an element of another form."""
    try:
        return read(found)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unsure("the answer has a deploy key of an unknown form: is --api right?") from error


def _message(content: Any) -> str:
    """The message in any of the providers' forms of an error; empty without one.

    GitHub: message and errors; GitLab: message or error_description; Bitbucket: error.message;
    Bitbucket Server: errors.
    """
    if not isinstance(content, Mapping):
        return ""
    error, errors = content.get("error"), content.get("errors")
    inner = error.get("message") if isinstance(error, Mapping) else error
    parts = [content.get("message"), inner, content.get("error_description")]
    if isinstance(errors, list):
        parts += [each.get("message") if isinstance(each, Mapping) else each for each in errors]
    return "; ".join(str(each) for each in parts if each)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without an `auth` of its own, requests replaces the token by what ~/.netrc has."""
    return request
