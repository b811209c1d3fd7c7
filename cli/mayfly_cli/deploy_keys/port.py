"""What the commands need of a provider, and how a provider refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mayfly_cli.deploy_keys.key_pair import PublicKey


@dataclass(frozen=True, slots=True)
class DeployKey:
    """A deploy key of a repository, as its provider lists it."""

    id: str
    title: str
    public: PublicKey | None
    """None for a text that is no public key."""
    read_only: bool


class Refused(Exception):
    """The provider did not do it, and nothing has changed. The text says why and what to do."""


class Unsure(Refused):
    """The provider gave no answer, or an error of its own: it may have done it all the same."""


class Taken(Refused):
    """The provider has this key already, here or at another repository."""


class DeployKeys(Protocol):
    """The deploy keys of one repository at its provider."""

    def all(self) -> Sequence[DeployKey]:
        """Every deploy key of the repository. Raises Refused."""

    def add(self, title: str, public: PublicKey) -> DeployKey:
        """The key, registered for reading alone. Raises Refused, Unsure or Taken."""

    def remove(self, key: DeployKey) -> None:
        """Remove the key; a key that is gone already is no error. Raises Refused or Unsure."""
