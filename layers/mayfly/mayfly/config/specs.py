"""Why a queue's spec has changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.config.infra import Infra
from mayfly.config.queue import QueueConfig
from mayfly.config.read import ControlPlane, spec
from mayfly.errors import Misconfigured
from mayfly.records.model import QueueRecord


def causes(old: QueueRecord, new: QueueRecord, control: ControlPlane) -> tuple[str, ...]:
    """What differs between two records of a queue whose specs differ.

    An image comes with a version of the launch template: the queue's stack reads the image's
    parameter at its deployment. The bundle is that of the control plane's stack, and no record has
    the old one: it has changed where the old facts with the new bundle give another spec.
    """
    try:
        before = Infra.parse(old.queue, control.stack, old.infra)
        after = Infra.parse(new.queue, control.stack, new.infra)
        was, now = QueueConfig.from_json(old.config), QueueConfig.from_json(new.config)
    except Misconfigured:  # A record of another version of Mayfly.
        return ("another version of Mayfly",)
    found = [*_of_stack(before, after, was, now), *_of_parameters(was, now)]
    if spec(before, was, control.bundle_sha256) != old.spec:
        found.append("deployment of the control plane: another bundle")
    return tuple(found)


def _of_stack(before: Infra, after: Infra, was: QueueConfig, now: QueueConfig) -> Iterator[str]:
    old, new = before.templates.get(was.architecture), after.templates.get(now.architecture)
    if was.architecture == now.architecture and old is not None and new is not None and old != new:
        versions = f"{old.version} -> {new.version}" if old.id == new.id else f"{new.id} is new"
        yield f"deployment of the queue's stack: launch template {versions} (image, agent, volume)"
    for name, one, two in (
        ("profiles", _profiles(before), _profiles(after)),
        ("roles", _roles(before), _roles(after)),
        ("protocol", before.protocol, after.protocol),
    ):
        if one != two:
            yield f"deployment of the queue's stack: other {name}"


def _of_parameters(was: QueueConfig, now: QueueConfig) -> Iterator[str]:
    if was.generation != now.generation:
        yield f"recycle: launch/generation is {now.generation or 'the default'}"
    if was.architecture != now.architecture:
        yield f"parameter launch/architecture: {was.architecture} -> {now.architecture}"
    if was.script != now.script:
        yield "parameter bootstrap/script"


def _profiles(infra: Infra) -> tuple[str, str]:
    return infra.bootstrap_profile, infra.sandbox_profile


def _roles(infra: Infra) -> tuple[str, str]:
    return infra.bootstrap_role_id, infra.sandbox_role_id
