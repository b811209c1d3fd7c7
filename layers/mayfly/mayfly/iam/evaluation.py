"""Evaluates IAM policies as far as Mayfly uses them: for `provision`, the lab and the tests.

Covered: identity and resource policies in one account, without boundaries. An unknown operator
on a present condition key raises KeyError.
Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Statement = Mapping[str, Any]
Values = str | Sequence[str]

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one resource; `context` holds the condition keys that AWS would supply."""

    action: str
    resource: str
    context: Mapping[str, Values] = field(default_factory=dict)

    def values(self, key: str) -> list[str] | None:
        """The values of a condition key, matched without regard to case; None if it is absent."""
        for name, value in self.context.items():
            if name.lower() == key.lower():
                return as_list(value)
        return None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is allowed, and the Sid of the statement that decided; None for none."""

    allowed: bool
    sid: str | None = None


def decide(request: Request, *policies: Iterable[Statement]) -> Decision:
    """The decision of all policies together: a Deny wins over any Allow; no statement denies.

    Raises:
        KeyError: a condition on a present key has an operator that is not implemented here.
    """
    applying = [
        statement for policy in policies for statement in policy if _applies(statement, request)
    ]
    for effect in ("Deny", "Allow"):
        for statement in applying:
            if statement["Effect"] == effect:
                return Decision(effect == "Allow", statement.get("Sid"))
    return Decision(allowed=False)


def as_list(value: Any) -> list[Any]:
    """The values as a list; IAM accepts one value in place of a list everywhere."""
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _applies(statement: Statement, request: Request) -> bool:
    return (
        _element_matches(statement, "Action", request.action.lower(), request, fold=True)
        and _element_matches(statement, "Resource", request.resource, request)
        and all(
            _condition_holds(operator, key, as_list(wanted), request)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _element_matches(
    statement: Statement, element: str, value: str, request: Request, *, fold: bool = False
) -> bool:
    negated = f"Not{element}" in statement
    patterns = as_list(statement[f"Not{element}" if negated else element])
    found = any(_matches(p.lower() if fold else p, value, request) for p in patterns)
    return found != negated


def _condition_holds(operator: str, key: str, wanted: list[Any], request: Request) -> bool:
    name, found = operator, request.values(key)
    if name == "Null":
        return [str(value).lower() for value in wanted] == [str(found is None).lower()]
    combine: Callable[[Iterator[bool]], bool] = any
    if name.startswith(("ForAllValues:", "ForAnyValue:")):
        quantifier, name = name.split(":", 1)
        combine = all if quantifier == "ForAllValues" else any
        found = found or []
    if found is None:
        # By IAM's rules a missing key fails a positive operator and satisfies a negated operator.
        return name.endswith("IfExists") or "Not" in name
    test = _OPERATORS[name.removesuffix("IfExists")]
    negated = "Not" in name
    return combine(
        any(test(str(want), value, request) for want in wanted) != negated for value in found
    )


def _matches(pattern: str, value: str, request: Request) -> bool:
    """Whether the value matches the pattern; wildcards in a variable's value are literal text."""
    expression = ""
    for at, part in enumerate(_VARIABLE.split(pattern)):
        if at % 2:
            values = request.values(part)
            if values is None:
                return False  # by IAM's rules a variable without a value matches nothing
            expression += re.escape(values[0])
        else:
            expression += re.escape(part).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _equals(pattern: str, value: str, request: Request) -> bool:
    literal = _VARIABLE.sub(lambda match: (request.values(match[1]) or ["\0"])[0], pattern)
    return literal == value


def _arn_matches(pattern: str, value: str, request: Request) -> bool:
    """Whether an ARN matches, compared by its six parts: no wildcard spans a colon."""
    patterns, parts = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(parts) and all(
        _matches(p, part, request) for p, part in zip(patterns, parts, strict=True)
    )


_OPERATORS: dict[str, Callable[[str, str, Request], bool]] = {
    "ArnEquals": _arn_matches,
    "ArnLike": _arn_matches,
    "Bool": lambda pattern, value, _: pattern.lower() == value.lower(),
    "StringEquals": _equals,
    "StringLike": _matches,
    "StringNotEquals": _equals,
}
