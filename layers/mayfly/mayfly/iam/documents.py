"""Reads policy documents: the one place that knows their forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Statement = Mapping[str, Any]


def statements_of(document: object) -> tuple[Statement, ...]:
    """The statements of a policy document, as boto3 decodes it.

    Raises TypeError or ValueError for anything that is not a policy document: a part that is left
    out could be the part that allows, or the part that denies.
    """
    if not isinstance(document, Mapping):
        raise TypeError(f"{type(document).__name__} in place of a policy document")
    found = document.get("Statement")
    statements = found if isinstance(found, list) else [found]
    for statement in statements:
        _check(statement)
    return tuple(statements)


def _check(statement: object) -> None:
    if not isinstance(statement, Mapping):
        raise TypeError(f"{type(statement).__name__} in place of a statement")
    if statement.get("Effect") not in {"Allow", "Deny"}:
        raise ValueError("a statement has no Effect")
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if element in statement and not _is_text(statement[element]):
            raise ValueError(f"{element} of a statement is not text")
    if ("Action" in statement) == ("NotAction" in statement):
        raise ValueError("a statement needs one of Action and NotAction")
    conditions = statement.get("Condition", {})
    operators = conditions.values() if isinstance(conditions, Mapping) else [None]
    if not all(isinstance(keys, Mapping) for keys in operators):
        raise ValueError("Condition of a statement is not a mapping of mappings")


def _is_text(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, str)
