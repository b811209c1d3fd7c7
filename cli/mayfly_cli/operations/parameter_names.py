"""Names of parameters as people type them."""

from __future__ import annotations

from collections.abc import Mapping

from mayfly.config.description import Description
from mayfly.config.parameters import DESCRIPTIONS
from mayfly.config.paths import near_name
from mayfly_cli.ends import UsageError

_OWN = "<name>"
"""Last part of a description's name, where owners choose that part."""
_PLAIN = {each.name: each for each in DESCRIPTIONS.values() if not each.name.endswith(_OWN)}
_FOLDERS: Mapping[str, Description] = {
    each.name.removesuffix(f"/{_OWN}"): each
    for each in DESCRIPTIONS.values()
    if each.name.endswith(_OWN)
}
NAMES = tuple(_PLAIN)
"""Every name but those of policy rules and roles, which their owners choose."""
FOLDERS = tuple(f"{folder}/" for folder in _FOLDERS)
"""Beginnings of the other names."""


def known(name: str) -> Description | None:
    """What the parameter is; None for a name that no queue has."""
    folder, _, own = name.rpartition("/")
    return _FOLDERS.get(folder) if own and folder in _FOLDERS else _PLAIN.get(name)


def described(name: str) -> Description:
    """What the parameter is. Raises UsageError for a name that no queue has."""
    if (found := known(name)) is not None:
        return found
    near = near_name(name)
    every = ", ".join((*NAMES, *(each.name for each in _FOLDERS.values())))
    hint = f"; did you mean {near}?" if near else f"; there is {every}"
    raise UsageError(f"there is no parameter {name}{hint}")


def below_queue(name: str, path: str) -> str:
    """The name below the queue's path; a whole path of the queue is understood, too."""
    return name.removeprefix(path).strip("/")
