"""The order in which a deploy key is made, renewed and deleted, and what is undone after a failure.

The public half goes to the provider first, and the private half to Parameter Store last, once the
key has worked. So what a failure leaves behind is at worst a public key whose private half nobody
has; a job never gets a key that does not work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mayfly_cli.deploy_keys.key_pair import KeyPair, PublicKey, generate
from mayfly_cli.deploy_keys.port import DeployKey, DeployKeys, Refused, Taken, Unsure
from mayfly_cli.deploy_keys.repository import Repository
from mayfly_cli.ends import BrokenError, Stopped, UsageError

PAUSES = (0.0, 1.0, 3.0)
"""Seconds before each list, after a call that may have registered a key."""


class UnclearError(BrokenError):
    """Whether the private half is in Parameter Store is not known."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The repository's key in Parameter Store."""

    version: int
    public: PublicKey | None
    """None where neither the public half beside it nor the right to decrypt tells the key."""


class Stored(Protocol):
    """The place of one repository's key in Parameter Store."""

    def present(self) -> StoredKey | None:
        """The key of now; None without one. Raises UsageError."""

    def write(self, pair: KeyPair, title: str, known: StoredKey | None) -> StoredKey:
        """Write both halves, over the known key alone; returns the new key.

        Raises UsageError where nothing was written, and UnclearError.
        """

    def delete(self) -> None:
        """Delete both halves; halves that are gone already are no error. Raises UsageError."""


@dataclass(frozen=True, slots=True)
class Made:
    """A key that jobs use from now on."""

    public: PublicKey
    version: int
    removed: tuple[str, ...]
    """Fingerprints of the deploy keys that were removed."""
    left: str
    """What a person still has to do; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one repository, which is the same at the provider and in Parameter Store."""

    repository: Repository
    provider: DeployKeys
    stored: Stored
    trial: Callable[[Repository, KeyPair], str]
    """Tries a key; gives why git could not read, or an empty text."""
    remedy: str
    """The command that deletes one deploy key at the provider; a fingerprint follows."""
    sleep: Callable[[float], None]
    make: Callable[[], KeyPair] = field(default=generate)

    def create(self, title: str, *, renew: bool, must_exist: bool = False) -> Made:
        """Make a key, and with `renew` replace the present one.

        Raises:
            UsageError: nothing was changed; the text says why.
            BrokenError: the new key was undone, or the text says what is left of it.
            Stopped: as BrokenError, after Ctrl-C.
        """
        known = self.stored.present()
        if known is not None and not renew:
            raise UsageError(
                f"{self.repository.name} has a key already (version {known.version}); --rotate "
                "replaces it"
            )
        if known is None and must_exist:
            raise UsageError(
                f"{self.repository.name} has no key yet, so there is nothing to rotate: mayfly "
                "deploy-key create makes one"
            )
        before = self._listed()
        pair = self.make()
        registered = self._registered(title, pair.public)
        written = self._tried_and_written(pair, title, registered, known)
        removed, left = self._removed(before, known)
        if written.version > (known.version if known else 0) + 1:
            left = "; ".join(filter(None, (left, self._somebody_else())))
        return Made(pair.public, written.version, removed, left)

    def delete(self) -> tuple[tuple[str, ...], str]:
        """Delete the key here and there; returns removed fingerprints and what a person has to do.

        The deploy keys are listed first, because a token without the right must change nothing.
        """
        known = self._present()
        before = self._listed()
        self.stored.delete()
        return self._removed(before, known)

    def delete_one(self, fingerprint: str) -> str:
        """Delete a deploy key at the provider that jobs do not use; returns its title.

        Raises UsageError where there is none, and where jobs use the key or may use it.
        """
        known = self.stored.present()
        found = [key for key in self._listed() if _fingerprint(key) == fingerprint]
        if not found:
            raise UsageError(
                f"{self.repository.name} has no deploy key {fingerprint}: mayfly deploy-key list "
                "shows those that it has"
            )
        if known is not None and known.public is None:
            raise UsageError(
                "which key jobs use is not known, for its public half is not beside it and you may "
                "not decrypt it; so nothing was deleted"
            )
        if known is not None and known.public == found[0].public:
            raise UsageError(
                "jobs use this key: without --fingerprint, the command deletes it here and there"
            )
        try:
            self.provider.remove(found[0])
        except Refused as error:
            raise UsageError(str(error)) from error
        return found[0].title

    def _present(self) -> StoredKey:
        known = self.stored.present()
        if known is None:
            raise UsageError(f"{self.repository.name} has no key in this queue's secrets")
        return known

    def _listed(self) -> Sequence[DeployKey]:
        try:
            return self.provider.all()
        except Refused as error:
            raise UsageError(str(error)) from error

    def _registered(self, title: str, public: PublicKey) -> DeployKey:
        """The new key at the provider, for reading alone."""
        try:
            key = self.provider.add(title, public)
        except (Taken, Unsure) as error:
            # The key is new, so whoever has registered it was this call, whatever its answer says.
            key = self._looked_for(public, error)
        except Refused as error:
            raise UsageError(f"{error}; nothing was changed") from error
        if not key.read_only:
            undone = self._undone(key)
            raise BrokenError(f"the provider has registered the key for writing, too; {undone}")
        return key

    def _looked_for(self, public: PublicKey, why: Refused) -> DeployKey:
        for pause in PAUSES:
            self.sleep(pause)
            try:
                found = [key for key in self.provider.all() if key.public == public]
            except Refused as error:
                raise BrokenError(
                    f"{why}; whether the deploy key {public.fingerprint} is registered is not "
                    f"known ({error}). Nobody has its private half. Later: {self.remedy} "
                    f"{public.fingerprint}"
                ) from error
            if found:
                return found[0]
        raise UsageError(f"{why}; the key is not registered, and nothing was changed") from why

    def _tried_and_written(
        self, pair: KeyPair, title: str, registered: DeployKey, known: StoredKey | None
    ) -> StoredKey:
        try:
            self._worked(pair)
            return self.stored.write(pair, title, known)
        except UnclearError as error:
            raise BrokenError(
                f"{error}; so the new deploy key {pair.public.fingerprint} stays registered, as "
                "does an old one: mayfly deploy-key list shows both"
            ) from error
        except (UsageError, BrokenError) as error:
            raise BrokenError(f"{error}; {self._undone(registered)}") from error
        except KeyboardInterrupt as error:
            raise Stopped(f"stopped; {self._undone(registered)}") from error
        except BaseException:
            self._undone(registered)
            raise

    def _worked(self, pair: KeyPair) -> None:
        why = self.trial(self.repository, pair)
        if why:
            raise BrokenError(f"git cannot read {self.repository.ssh_url} with the new key: {why}")

    def _undone(self, registered: DeployKey) -> str:
        try:
            self.provider.remove(registered)
        except Refused as error:
            return (
                f"the new deploy key stays registered ({error}), and nobody has its private half: "
                f"{self.remedy} {_fingerprint(registered)}"
            )
        return "the new deploy key was removed again, and nothing else was changed"

    def _removed(
        self, before: Sequence[DeployKey], known: StoredKey | None
    ) -> tuple[tuple[str, ...], str]:
        """Remove the known key at the provider; returns fingerprints, and what is left."""
        if known is None:
            return (), ""
        if known.public is None:
            return (), (
                "which deploy key was the old one is not known, for its public half was not beside "
                f"it and you may not decrypt it: {self.remedy} FINGERPRINT"
            )
        fingerprint = known.public.fingerprint
        try:
            for key in before:
                if key.public == known.public:
                    self.provider.remove(key)
                    return (fingerprint,), ""
        except Refused as error:
            left = f"the old deploy key stays registered ({error}): {self.remedy} {fingerprint}"
            return (), left
        except KeyboardInterrupt as error:
            raise Stopped(
                f"stopped before the old deploy key was removed: {self.remedy} {fingerprint}"
            ) from error
        return (), ""

    def _somebody_else(self) -> str:
        return (
            "somebody else may have written the key in the same moment, and this one holds: mayfly "
            "deploy-key list shows which deploy keys are left"
        )


def _fingerprint(key: DeployKey) -> str:
    return key.public.fingerprint if key.public is not None else "FINGERPRINT"
