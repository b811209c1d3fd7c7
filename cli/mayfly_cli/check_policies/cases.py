"""The cases of the table of permissions, in terms of a deployment's names.

`tests/security/generate_cases.py` writes cases.json from the cases that make the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAME = re.compile(r"<([A-Za-z -]+)>")

Context = Mapping[str, tuple[str, tuple[str, ...]]]
"""By condition key: its type, as IAM's API names it, and its values."""


class NoSuchName(Exception):
    """A deployment has nothing by a name that a case uses. The text is the name."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    name: str
    context: Context
    """Condition keys of all its requests."""
    role: str = ""
    """ARN of its deployed role; empty for none."""
    policy: str = ""
    """Logical id of its deployed managed policy; empty for none."""
    foreign: bool = False
    """Whether it has no policy of Mayfly's at all."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence about one request, and the verdict that it states."""

    says: str
    who: str
    """Name of a principal."""
    action: str
    resource: str
    context: Context = field(default_factory=dict)
    """Condition keys of the request beside the principal's."""
    attached: str = ""
    """Name of a policy of AWS that is attached to the principal; empty for none."""
    boundary: tuple[Any, ...] = ()
    """Statements of a permissions boundary; empty for none."""
    allowed: bool = False
    resource_decides: bool = False
    """Whether the verdict were another one if the resource had no policy."""


@dataclass(frozen=True, slots=True)
class Table:
    """The principals by name, and all cases."""

    principals: Mapping[str, Principal]
    cases: tuple[Case, ...]


def table() -> Table:
    """The table, with names in angle brackets in place of a deployment's."""
    read = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))
    found = [Principal(**_with_context(row)) for row in read["principals"]]
    cases = tuple(Case(**_with_context(row)) for row in read["cases"])
    return Table({each.name: each for each in found}, cases)


def _with_context(row: dict[str, Any]) -> dict[str, Any]:
    pairs = row.get("context", {}).items()
    return row | {"context": {key: (kind, tuple(values)) for key, (kind, values) in pairs}}


def filled(text: str, names: Mapping[str, str]) -> str:
    """A text with a deployment's names in place of those in angle brackets.

    Raises:
        NoSuchName: the deployment has none for a name in the text.
    """

    def name(found: re.Match[str]) -> str:
        if found[1] not in names:
            raise NoSuchName(found[1])
        return names[found[1]]

    return _NAME.sub(name, text)
