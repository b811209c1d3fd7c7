"""The place of a queue's secrets: folder, key, and the host keys that its jobs' git knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mayfly.config.folders import is_within
from mayfly.config.grant_values import filled, hosts_over_443, known_hosts, secrets_path
from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.connection import Connection

Parsed = TypeVar("Parsed")
PATH, KNOWN_HOSTS, OVER_443 = "secrets/path", "ssh/known-hosts", "ssh/over-443"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a queue's secrets lie."""

    queue: str
    path: str
    """Folder, without a slash at the end: `/vendors/buildkite/deploy`."""
    key: str
    """ARN of the KMS key; empty for the account's `aws/ssm`."""
    known_hosts: str
    over_443: tuple[str, ...]


def place_of(connection: Connection, queue: str) -> Place:
    """The place of the queue's secrets, from four parameters that one call reads.

    A record of the stack is not read: people who own secrets need no right on its tables.

    Raises UsageError where the queue has no place for secrets, with what gives it one.
    """
    infra_name = f"/mayfly-infra/{connection.stack}/queues/{queue}"
    names = {
        connection.parameters.path(queue, each): each for each in (PATH, KNOWN_HOSTS, OVER_443)
    }
    client = connection.account.client("ssm")
    found = client.get_parameters(Names=[infra_name, *names])["Parameters"]
    values = {each["Name"]: each for each in found}
    if infra_name not in values:
        raise UsageError(
            f"the stack {connection.stack} has no queue {queue}, for there is no parameter "
            f"{infra_name}"
        )
    texts = {short: values[name] for name, short in names.items() if name in values}
    secret = [name for name, each in texts.items() if each["Type"] != "String"]
    if secret:
        raise UsageError(f"{', '.join(secret)} of queue {queue} is no String, so nobody reads it")
    try:
        infra = Infra.parse(queue, connection.stack, values[infra_name]["Value"])
    except Misconfigured as error:
        raise UsageError(str(error)) from error
    return _place(queue, infra, {name: each["Value"].strip() for name, each in texts.items()})


def _place(queue: str, infra: Infra, texts: Mapping[str, str]) -> Place:
    if PATH not in texts:
        raise UsageError(
            f"queue {queue} has no secrets: its parameter {PATH} is not set. Security owners set "
            f"it: mayfly set {queue} {PATH} '/vendors/buildkite/{{queue}}'"
        )
    path = filled(_parsed(queue, PATH, texts[PATH], secrets_path), queue)
    if not infra.secrets_path or not is_within(path, infra.secrets_path):
        given = infra.secrets_path or "no folder"
        raise UsageError(
            f"{PATH} of queue {queue} is {path}, but its stack lets jobs read {given}: set the "
            "stack's parameter SecretsPath"
        )
    lines, ports = texts.get(KNOWN_HOSTS), texts.get(OVER_443)
    return Place(
        queue=queue,
        path=path,
        key=infra.secrets_key,
        known_hosts=_parsed(queue, KNOWN_HOSTS, lines, known_hosts) if lines else "",
        over_443=_parsed(queue, OVER_443, ports, hosts_over_443) if ports else (),
    )


def _parsed(queue: str, name: str, text: str, parse: Callable[[str], Parsed]) -> Parsed:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(
            f"{name} of queue {queue} has a bad value, which mayfly get {queue} {name} explains"
        ) from error
