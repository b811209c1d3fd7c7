"""The keys of a queue; with a repository, also what its provider has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mayfly_cli.deploy_keys.key_pair import PublicKey
from mayfly_cli.deploy_keys.opening import Asked, opened
from mayfly_cli.deploy_keys.port import DeployKey, Refused
from mayfly_cli.deploy_keys.result import Listed, Row
from mayfly_cli.deploy_keys.stored import KEY, public_halves
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.queue_secrets.place import Place, place_of
from mayfly_cli.queue_secrets.store import SECURE, Known, SecretStore
from mayfly_protocol.slugs import GLOBAL


def of_queue(connection: Connection, queue: str) -> Listed:
    """Every ssh key below the queue's folder."""
    place = place_of(connection, queue)
    return Listed(queue, place.path, connection.clock(), _rows(connection, place, place.path))


def of_repository(connection: Connection, asked: Asked) -> Listed:
    """The repository's key, and the deploy keys that its provider has."""
    found = opened(connection, asked, tries=False)
    try:
        registered = found.steps.provider.all()
    except Refused as error:
        raise UsageError(str(error)) from error
    stored = _rows(connection, found.place, found.folder)
    rows = [_with_title(row, registered) for row in stored]
    known = {row.fingerprint for row in stored}
    rows += [
        _alone(found.repository.slug, key) for key in registered if _print(key.public) not in known
    ]
    return Listed(asked.queue, found.place.path, connection.clock(), tuple(rows))


def _rows(connection: Connection, place: Place, folder: str) -> tuple[Row, ...]:
    store = SecretStore(connection.account.client("ssm"), place.key)
    found = store.below(folder)
    halves = public_halves(store, found)
    keys = sorted(name for name in found if name.endswith(f"/{KEY}"))
    return tuple(_row(found[name], halves, place) for name in keys)


def _row(key: Known, halves: Mapping[str, PublicKey], place: Place) -> Row:
    folder = key.name.removesuffix(f"/{KEY}")
    row = Row(
        folder=folder.removeprefix(f"{place.path}/"),
        version=key.version,
        changed=key.changed,
        fingerprint=_print(halves.get(folder)),
    )
    if key.kind != SECURE:
        return replace(row, note=f"a {key.kind}, in plain text", needs_person=True)
    if row.folder == GLOBAL:
        return replace(row, note="jobs do not get it: shared keys lie elsewhere", needs_person=True)
    return row


def _with_title(row: Row, registered: Sequence[DeployKey]) -> Row:
    """The row of a stored key with what the provider has of it."""
    if not row.fingerprint:
        return row
    for key in registered:
        if _print(key.public) == row.fingerprint:
            note = "; ".join(filter(None, (row.note, "" if key.read_only else _WRITES)))
            return replace(
                row, title=key.title, note=note, needs_person=row.needs_person or not key.read_only
            )
    return replace(row, note="not registered at the provider", needs_person=True)


def _alone(slug: str, key: DeployKey) -> Row:
    note = "at the provider alone" if key.read_only else f"at the provider alone; {_WRITES}"
    return Row(slug, None, None, _print(key.public), key.title, note)


def _print(public: PublicKey | None) -> str:
    return public.fingerprint if public is not None else ""


_WRITES = "it may write"
