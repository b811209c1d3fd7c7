"""A repository's key in Parameter Store: `ssh/key`, and beside it the public half, `ssh/key.pub`.

The public half is a plain String: `list`, `rotate` and `delete` know by it which deploy key at the
provider is meant, without the right to decrypt. It counts only while it is not older than the key,
because a key that somebody writes by hand leaves the public half of the key before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from mayfly_cli.account import is_refusal
from mayfly_cli.deploy_keys.key_pair import KeyPair, PublicKey, parse_public, public_of
from mayfly_cli.deploy_keys.steps import StoredKey, UnclearError
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.refusals import asking, why_not_asked
from mayfly_cli.queue_secrets.store import SECURE, Known, SecretStore

KEY, PUBLIC = "ssh/key", "ssh/key.pub"


@dataclass(frozen=True, slots=True)
class ParameterKey:
    """The key in one folder of a queue's secrets."""

    store: SecretStore
    folder: str
    """Full name of the repository's folder, without a slash at the end."""
    stack: str

    def present(self) -> StoredKey | None:
        """The key of now; None without one."""
        with asking(self.stack):
            found = self.store.known([self._key, self._public])
            key = found.get(self._key)
            if key is None:
                return None
            if key.kind != SECURE:
                raise UsageError(
                    f"{self._key} is a {key.kind}, which anybody with the right to read sees in "
                    "plain text, and SSM changes no type: replace the key at the provider, and "
                    f"delete the parameter (aws ssm delete-parameter --name {self._key})"
                )
            half = public_halves(self.store, found).get(self.folder)
            return StoredKey(key.version, half or self._decrypted())

    def write(self, pair: KeyPair, title: str, known: StoredKey | None) -> StoredKey:
        """Write both halves, over the known key alone."""
        self._unchanged(known)
        version = self._written(pair, known)
        with asking(self.stack):
            try:
                line = f"{pair.public.text} {title}"
                self.store.put(self._public, line, over=True, kind="String")
            except (ClientError, BotoCoreError) as error:
                raise UnclearError(
                    f"the key is stored and jobs use it, but {self._public} is not: "
                    f"{why_not_asked(error, self.stack)}"
                ) from error
        return StoredKey(version, pair.public)

    def delete(self) -> None:
        """Delete both halves."""
        with asking(self.stack):
            self.store.delete([self._key, self._public])

    @property
    def _key(self) -> str:
        return f"{self.folder}/{KEY}"

    @property
    def _public(self) -> str:
        return f"{self.folder}/{PUBLIC}"

    def _unchanged(self, known: StoredKey | None) -> None:
        with asking(self.stack):
            now = self.store.known([self._key]).get(self._key)
        versions = (known and known.version, now and now.version)
        if versions[0] != versions[1]:
            raise UsageError(f"somebody else has changed {self._key} since it was read")

    def _written(self, pair: KeyPair, known: StoredKey | None) -> int:
        try:
            return self.store.put(self._key, pair.private_text, over=known is not None)
        except self.store.exists_already as error:
            # botocore repeats a write whose answer was lost, and then finds its own key.
            if self._decrypted() == pair.public:
                return 1
            raise UsageError(f"somebody else has made {self._key} meanwhile") from error
        except (ClientError, BotoCoreError) as error:
            why = why_not_asked(error, self.stack)
            if is_refusal(error):
                raise UsageError(why) from error
            return self._looked_for(pair, known, why)

    def _looked_for(self, pair: KeyPair, known: StoredKey | None, why: str) -> int:
        """The version of the new key, after a write without a clear answer."""
        unclear = UnclearError(f"whether {self._key} is written is not known: {why}")
        try:
            now = self.store.known([self._key]).get(self._key)
            if (now and now.version) == (known and known.version):
                raise UsageError(why)
            if now is None or self._decrypted() != pair.public:
                raise unclear
        except (ClientError, BotoCoreError) as error:
            raise unclear from error
        return now.version

    def _decrypted(self) -> PublicKey | None:
        """The public half of the stored key; None without the right to decrypt it."""
        try:
            found = self.store.read([self._key], decrypted=True).get(self._key)
        except ClientError as error:
            if is_refusal(error):
                return None
            raise
        return public_of(found.value) if found is not None else None


def public_halves(store: SecretStore, found: Mapping[str, Known]) -> Mapping[str, PublicKey]:
    """The public halves beside keys, by full name of the folder. Raises boto3's errors.

    A folder is missing without a public half, and with one of an earlier key.
    """
    names = {f"{folder}/{PUBLIC}": folder for folder in map(_folder_of, found) if folder}
    fresh = [name for name, folder in names.items() if _is_fresh(found, folder)]
    lines = store.read(fresh, decrypted=False)
    halves = {names[name]: parse_public(each.value) for name, each in lines.items()}
    return {folder: half for folder, half in halves.items() if half is not None}


def _folder_of(name: str) -> str:
    return name.removesuffix(f"/{KEY}") if name.endswith(f"/{KEY}") else ""


def _is_fresh(found: Mapping[str, Known], folder: str) -> bool:
    key, public = found.get(f"{folder}/{KEY}"), found.get(f"{folder}/{PUBLIC}")
    if key is None or public is None or public.kind != "String":
        return False
    return key.changed is not None and public.changed is not None and public.changed >= key.changed
