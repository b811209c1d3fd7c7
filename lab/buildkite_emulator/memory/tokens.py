"""Minting of Buildkite's kinds of token, told apart by their prefixes.

Source: buildkite/docs pages/platform/security/tokens.md. The bodies keep to the alphabet and length
that Buildkite's own redactor expects (base64url and dots, 24 to 2048 characters; buildkite/agent
internal/redact), so that a log scrubber which works here works there.
"""

from __future__ import annotations

import secrets
import uuid
from enum import StrEnum


class TokenKind(StrEnum):
    """The prefix says what a token is for."""

    AGENT = "bkct_"
    """Registers agents on every queue of the cluster, and speaks the Stacks API."""
    ACQUISITION = "bkjat_"
    """Registers an agent for one reserved job."""
    SESSION = "bkaa_"
    """One registered agent."""
    JOB = "bkaj_"
    """One job that an agent runs."""
    API = "bkua_"
    """A user, for the REST API."""


def mint(kind: TokenKind) -> str:
    """A new token that nobody can guess."""
    body = secrets.token_urlsafe(32)
    if kind in {TokenKind.ACQUISITION, TokenKind.JOB}:
        # These two are JWTs at Buildkite: three parts with dots between.
        body = ".".join((secrets.token_urlsafe(12), body, secrets.token_urlsafe(24)))
    return f"{kind}{body}"


def new_id() -> str:
    """A new UUID for a record."""
    return str(uuid.uuid4())
