"""The commands create, rotate and delete: from what is asked to what is shown."""

from __future__ import annotations

from mayfly_cli.confirmation import confirmed
from mayfly_cli.deploy_keys.opening import Asked, Opened, opened
from mayfly_cli.deploy_keys.repository import NAMES
from mayfly_cli.deploy_keys.result import Created, Deleted
from mayfly_cli.deploy_keys.stored import KEY
from mayfly_cli.ends import Stopped
from mayfly_cli.operations.connection import Connection


def make(
    connection: Connection,
    asked: Asked,
    title: str | None,
    *,
    renew: bool,
    must_exist: bool = False,
) -> Created:
    """Make a key, and with `renew` replace the present one. Raises as `Steps.create`."""
    found = opened(connection, asked, tries=True)
    named = title or f"mayfly {connection.stack}/{asked.queue}"
    made = found.steps.create(named, renew=renew, must_exist=must_exist)
    return Created(
        queue=asked.queue,
        repository=found.repository.name,
        provider=NAMES[found.provider],
        parameter=_parameter(found),
        version=made.version,
        kms_key=found.place.key,
        title=named,
        fingerprint=made.public.fingerprint,
        removed=made.removed,
        left=made.left,
        note=_note(found),
    )


def remove(connection: Connection, asked: Asked, fingerprint: str | None, *, ask: bool) -> Deleted:
    """Delete the key here and there, or one deploy key alone. Raises as `Steps.delete`."""
    found = opened(connection, asked, tries=False)
    name = found.repository.name
    provider = NAMES[found.provider]
    if fingerprint is not None:
        found.steps.delete_one(fingerprint)
        return Deleted(asked.queue, name, provider, "", (fingerprint,), "")
    purpose = f"delete its key in queue {asked.queue} and at {provider}"
    if ask and not confirmed(name, purpose):
        raise Stopped("nothing was deleted")
    removed, left = found.steps.delete()
    return Deleted(asked.queue, name, provider, _parameter(found), removed, left)


def _parameter(found: Opened) -> str:
    return f"{found.folder}/{KEY}"


def _note(found: Opened) -> str:
    if found.repository.by_ssh:
        return ""
    return (
        "a deploy key works over ssh alone: the pipeline's repository must be "
        f"{found.repository.ssh_url}"
    )
