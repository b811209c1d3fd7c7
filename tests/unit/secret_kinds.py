"""A secret of every kind that may come near a log."""

from __future__ import annotations

from tests.protocol import secret_samples as samples

SECRETS = {**samples.SECRETS, "old agent token": "0123456789abcdef0123456789abcdef01234567"}
"""By kind. The last looks like a commit: only its value tells it."""


def fail_twice(secret: str) -> None:
    """Raise a KeyError for a ValueError, both of which tell the secret."""
    try:
        int(secret)
    except ValueError as cause:
        raise KeyError(f"because of {secret}") from cause
