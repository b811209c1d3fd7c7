"""Opens what the commands work on: the queue's secrets, the provider, and the trial of keys."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from mayfly_cli.deploy_keys.key_pair import KeyPair
from mayfly_cli.deploy_keys.providers import deploy_keys
from mayfly_cli.deploy_keys.repository import Provider, Repository, provider_of, repository
from mayfly_cli.deploy_keys.steps import Steps
from mayfly_cli.deploy_keys.stored import ParameterKey
from mayfly_cli.deploy_keys.tokens import token_for
from mayfly_cli.deploy_keys.trial import GitTrial
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.queue_secrets.place import KNOWN_HOSTS, Place, place_of
from mayfly_cli.queue_secrets.store import SecretStore


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line names."""

    url: str
    queue: str
    provider: str | None = None
    api: str | None = None
    token_parameter: str | None = None
    known_hosts: str = ""
    """Lines of known_hosts(5) in place of the queue's."""

    def again(self, command: str, suffix: str) -> str:
        """A command line for the same repository."""
        named = {
            "--provider": self.provider,
            "--api": self.api,
            "--token-parameter": self.token_parameter,
        }
        words = [quote(self.url), "--queue", self.queue]
        words += [word for name, value in named.items() if value for word in (name, quote(value))]
        return f"mayfly deploy-key {command} {' '.join(words)}{suffix}"


@dataclass(frozen=True, slots=True)
class Opened:
    """A repository of a queue, ready to be worked on."""

    place: Place
    repository: Repository
    provider: Provider
    steps: Steps

    @property
    def folder(self) -> str:
        """Full name of the repository's folder."""
        return f"{self.place.path}/{self.repository.slug}"


def opened(connection: Connection, asked: Asked, *, tries: bool) -> Opened:
    """The repository that a command line names. `tries`: whether the command tries a key.

    Raises UsageError where a name, the token, the queue's place for secrets, or the host keys for
    a trial are missing.
    """
    found = repository(asked.url)
    provider = provider_of(found, asked.provider)
    place = place_of(connection, asked.queue)
    known_hosts = asked.known_hosts or place.known_hosts
    if tries and not known_hosts.strip():
        raise UsageError(
            f"queue {asked.queue} has no {KNOWN_HOSTS}, so the new key cannot be tried without "
            "trust in whoever answers: set it, or give --known-hosts FILE with the host keys that "
            "its hosts know"
        )
    token = token_for(provider, connection, asked.token_parameter)
    store = SecretStore(connection.account.client("ssm"), place.key)
    steps = Steps(
        repository=found,
        provider=deploy_keys(provider, found, token, asked.api),
        stored=ParameterKey(store, f"{place.path}/{found.slug}", connection.stack),
        trial=GitTrial(known_hosts, place.over_443, connection.sleep) if tries else _no_trial,
        remedy=asked.again("delete", f"{connection.suffix} --fingerprint"),
        sleep=connection.sleep,
    )
    return Opened(place, found, provider, steps)


def _no_trial(repository: Repository, pair: KeyPair) -> str:
    raise AssertionError(f"{repository.name}: {pair.public.fingerprint} is not to be tried")
