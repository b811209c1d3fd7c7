"""The secrets of the cluster (buildkite/docs pipelines/security/secrets/buildkite_secrets.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from buildkite_emulator.memory.tokens import new_id

from .policy import Policy

MAX_VALUE_BYTES = 32 * 1024
_KEY = re.compile(r"(?!buildkite|bk)[a-z][a-z0-9_]{0,254}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret. Its `repr` omits the value."""

    id: str
    key: str
    value: str = field(repr=False)
    policy: Policy


class Vault:
    """Holds the secrets by key."""

    def __init__(self) -> None:
        self._held: dict[str, Secret] = {}

    def add(self, key: str, value: str, policy: str | None) -> None:
        """Create or replace the secret with this key.

        Raises:
            ValueError: Buildkite would refuse this key, value or policy.
        """
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot be the key of a secret")
        if not value.strip() or len(value.encode()) > MAX_VALUE_BYTES:
            raise ValueError(f"the value of {key} must have 1 to {MAX_VALUE_BYTES} bytes")
        held = self._held.get(key)
        self._held[key] = Secret(held.id if held else new_id(), key, value, Policy.read(policy))

    def get(self, key: str) -> Secret | None:
        """The secret with this key; None for an unknown key."""
        return self._held.get(key)
