"""Fakes of a provider, of a key's place in Parameter Store and of git, for the order of steps.

The first two pass the suites that the real adapters pass: `test_providers.py`, `test_stored.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mayfly_cli.deploy_keys.key_pair import KeyPair, PublicKey
from mayfly_cli.deploy_keys.port import DeployKey, Taken
from mayfly_cli.deploy_keys.repository import Repository
from mayfly_cli.deploy_keys.steps import StoredKey
from mayfly_cli.ends import UsageError


@dataclass
class FakeDeployKeys:
    """Deploy keys in memory. `faults`: errors of the next calls, by method."""

    keys: list[DeployKey] = field(default_factory=list)
    faults: dict[str, list[BaseException | None]] = field(default_factory=dict)
    done: bool = False
    """Whether `add` takes effect before its fault."""
    read_only: bool = True
    calls: list[str] = field(default_factory=list)
    _next: int = 1

    def all(self) -> Sequence[DeployKey]:
        self._called("all")
        return tuple(self.keys)

    def add(self, title: str, public: PublicKey) -> DeployKey:
        if not self.done:
            self._called("add")
        if any(key.public == public for key in self.keys):
            raise Taken("the key is registered already")
        key = DeployKey(str(self._next), title, public, self.read_only)
        self._next += 1
        self.keys.append(key)
        if self.done:
            self._called("add")
        return key

    def remove(self, key: DeployKey) -> None:
        self._called("remove")
        self.keys = [each for each in self.keys if each.id != key.id]

    def _called(self, method: str) -> None:
        self.calls.append(method)
        waiting = self.faults.get(method, [])
        fault = waiting.pop(0) if waiting else None
        if fault is not None:
            raise fault


@dataclass
class FakeStored:
    """A key's place in memory."""

    pair: KeyPair | None = None
    version: int = 0
    known_public: bool = True
    fault: BaseException | None = None
    """What the next write raises; with `written` after it has taken effect."""

    def present(self) -> StoredKey | None:
        if self.pair is None:
            return None
        return StoredKey(self.version, self.pair.public if self.known_public else None)

    def write(self, pair: KeyPair, title: str, known: StoredKey | None) -> StoredKey:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        if (known.version if known else 0) != (self.version if self.pair else 0):
            raise UsageError("somebody else has changed the key since it was read")
        self.pair, self.version, self.known_public = pair, self.version + 1, True
        return StoredKey(self.version, pair.public)

    def delete(self) -> None:
        self.pair, self.version = None, 0


@dataclass
class FakeGit:
    """Reads a repository with the keys that its provider has."""

    provider: FakeDeployKeys
    fault: BaseException | str = ""

    def __call__(self, repository: Repository, pair: KeyPair) -> str:
        if isinstance(self.fault, BaseException):
            raise self.fault
        if self.fault:
            return self.fault
        known = any(key.public == pair.public for key in self.provider.keys)
        return "" if known else "Permission denied (publickey)."
