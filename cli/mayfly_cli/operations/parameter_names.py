"""Names of parameters as people type them."""

from __future__ import annotations

from mayfly.config.parameters import DESCRIPTIONS, RULES, Description
from mayfly.config.paths import near_name
from mayfly_cli.ends import UsageError

_PLAIN = {each.name: each for each in DESCRIPTIONS.values() if not each.name.startswith(RULES)}
_RULES = next(each for each in DESCRIPTIONS.values() if each.name.startswith(RULES))
NAMES = tuple(_PLAIN)
"""Every name but those of policy rules, which operators choose."""


def known(name: str) -> Description | None:
    """What the parameter is; None for a name that no queue has."""
    folder, _, rule = name.rpartition("/")
    return _RULES if folder == RULES and rule else _PLAIN.get(name)


def described(name: str) -> Description:
    """What the parameter is. Raises UsageError for a name that no queue has."""
    if (found := known(name)) is not None:
        return found
    near = near_name(name)
    hint = f"; did you mean {near}?" if near else f"; there is {', '.join(NAMES)}, {_RULES.name}"
    raise UsageError(f"there is no parameter {name}{hint}")


def below_queue(name: str, path: str) -> str:
    """The name below the queue's path; a whole path of the queue is understood, too."""
    return name.removeprefix(path).strip("/")
