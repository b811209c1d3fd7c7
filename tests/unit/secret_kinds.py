"""One secret of every kind that could reach a log."""

from __future__ import annotations

from tests.protocol import secret_samples as samples

SECRETS = {**samples.SECRETS, "old agent token": "0123456789abcdef0123456789abcdef01234567"}
"""Secrets by kind. The last looks like a commit, so only its value identifies it as a secret."""


def fail_twice(secret: str) -> None:
    """Raise a KeyError from a ValueError; the texts of both hold the secret."""
    try:
        int(secret)
    except ValueError as cause:
        raise KeyError(f"because of {secret}") from cause
