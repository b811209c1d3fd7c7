"""Resources in moto with a stack's name in their name, ARN or tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict

_DEEPEST = 3
# AWS too keeps these after a deletion: a list of deleted stacks, instances for an hour.
_PAST = {
    ("cloudformation", "deleted_stacks"),
    ("cloudformation", "change_sets"),
    ("cloudformation", "exports"),
    # moto never clears these. Tags are checked at their resources.
    ("dynamodb", "resource_policies"),
    ("ec2", "tags"),
}
_GONE = {"terminated", "deleted"}


def remains(account: str, regions: tuple[str, ...], word: str) -> list[str]:
    """Paths into moto's backends with `word` in a key, a name, an ARN or a tag."""
    found: list[str] = []
    ec2 = get_backend("ec2")[account][regions[0]]
    for resource, tags in ec2.tags.items():
        if word in str(tags) and _lives(ec2, resource):
            found.append(f"ec2.tags[{resource}]")
    for backends in list(BackendDict._instances):
        service = str(backends.service_name)
        for region in regions:
            if account in backends and region in backends[account]:
                found += _within(service, vars(backends[account][region]), word)
    return sorted(set(found))


def _lives(ec2: Any, resource: str) -> bool:
    if resource.startswith("i-"):
        return not _is_gone(ec2.get_instance(resource))
    # EC2 deletes interfaces with their instance; moto keeps them.
    kept = (ec2.launch_templates, ec2.volumes, *ec2.groups.values())
    return any(resource in each for each in kept)


def _within(service: str, attributes: Mapping[str, Any], word: str) -> Iterator[str]:
    for name, value in attributes.items():
        if (service, name) not in _PAST and isinstance(value, Mapping):
            yield from _look(f"{service}.{name}", value, word, _DEEPEST)


def _look(path: str, value: Any, word: str, depth: int) -> Iterator[str]:
    if depth == 0 or _is_gone(value):
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if word in str(key) and not _is_gone(inner) and not _is_empty(inner):
                yield f"{path}[{key}]"
            elif isinstance(inner, str):
                if word in inner:
                    yield f"{path}[{key}] = {inner[:80]}"
            else:
                yield from _look(f"{path}[{key}]", inner, word, depth - 1)
    elif hasattr(value, "__dict__"):
        for name in ("name", "arn", "tags"):
            if word in str(vars(value).get(name, "")):
                yield f"{path}.{name}"


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, list | dict) and not value)


def _is_gone(value: Any) -> bool:
    state = getattr(value, "_state", None) or getattr(value, "state", None)
    return str(getattr(state, "name", state)) in _GONE
