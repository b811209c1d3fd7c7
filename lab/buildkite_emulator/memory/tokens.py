"""Creation of Buildkite's kinds of token, which differ by prefix.

Source: buildkite/docs pages/platform/security/tokens.md. The bodies have the alphabet and length
that Buildkite's own redactor expects (base64url and dots, 24 to 2048 characters; buildkite/agent
internal/redact), so a log scrubber that works here works there.
"""

from __future__ import annotations

import secrets
import uuid
from enum import StrEnum


class TokenKind(StrEnum):
    """The prefix of each kind of token."""

    AGENT = "bkct_"
    """Registers agents on every queue of the cluster, and authorizes the Stacks API."""
    ACQUISITION = "bkjat_"
    """Registers an agent for one reserved job."""
    SESSION = "bkaa_"
    """Authorizes one registered agent."""
    JOB = "bkaj_"
    """Authorizes calls about one job that an agent runs."""
    API = "bkua_"
    """Authorizes a user's REST API calls."""


def mint(kind: TokenKind) -> str:
    """A new random token of this kind."""
    body = secrets.token_urlsafe(32)
    if kind in {TokenKind.ACQUISITION, TokenKind.JOB}:
        # Buildkite's acquisition and job tokens are JWTs: three parts separated by dots.
        body = ".".join((secrets.token_urlsafe(12), body, secrets.token_urlsafe(24)))
    return f"{kind}{body}"


def new_id() -> str:
    """A new UUID for a record."""
    return str(uuid.uuid4())
