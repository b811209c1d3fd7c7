"""Asks of policies what they could allow, where a part of the request is not known.

`evaluation.decide` evaluates a request whose whole context is known. `provision` judges roles
before any request exists, so a key that the probe does not name is unknown, and IAM may find it
absent or with any value. The rule, by which an error can only refuse too much:

- an Allow counts unless the probe surely fails it: a condition on an unknown key, by an operator
  that `decide` does not know, or with a policy variable whose value is unknown counts as met;
- a Deny counts only if the probe surely meets it: any such condition counts as not met.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly.answers import Policy
from mayfly.iam.documents import Statement
from mayfly.iam.evaluation import Request, as_list, decide

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_ESCAPES = {"*", "?", "$"}
"""`${*}`, `${?}` and `${$}` are the characters themselves (IAM user guide, "Policy variables")."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The policies of one role: what is attached or inline, and its boundary, if it has one."""

    policies: Sequence[Policy]
    boundary: Policy | None = None

    def granted_by(self, request: Request) -> str | None:
        """Name of a policy that could allow the request; None where the request is surely denied.

        Allows of others (policies of resources, keys and tables) are not known here.
        """
        if self.denies(request):
            return None
        if self.boundary is not None and not _could_allow(self.boundary, request):
            return None
        return next((each.name for each in self.policies if _could_allow(each, request)), None)

    def denies(self, request: Request) -> bool:
        """Whether a Deny surely applies, which holds against the Allows of everybody."""
        every = (*self.policies, *([self.boundary] if self.boundary is not None else []))
        return any(
            statement["Effect"] == "Deny" and surely_applies(statement, request)
            for policy in every
            for statement in policy.statements
        )

    def allowed_resources(self) -> Iterator[str]:
        """The resource patterns of all Allows, as written."""
        for statement in self._allows():
            yield from as_list(statement.get("Resource", []))

    def allowed_values(self, key: str) -> Iterator[str]:
        """The values that conditions of all Allows want of a key, as written."""
        for statement in self._allows():
            for keys in statement.get("Condition", {}).values():
                for name, wanted in keys.items():
                    if name.lower() == key.lower():
                        yield from map(str, as_list(wanted))

    def _allows(self) -> Iterator[Statement]:
        for policy in self.policies:
            yield from (each for each in policy.statements if each["Effect"] == "Allow")


def _could_allow(policy: Policy, request: Request) -> bool:
    return any(
        statement["Effect"] == "Allow" and may_apply(statement, request)
        for statement in policy.statements
    )


def may_apply(statement: Statement, request: Request) -> bool:
    """Whether a statement could apply to the request, by what is known of the request."""
    return _elements_match(statement, request, unknown_matches=True) and all(
        holds is not False for holds in _conditions(statement, request)
    )


def surely_applies(statement: Statement, request: Request) -> bool:
    """Whether a statement applies to the request, whatever its unknown part is."""
    return _elements_match(statement, request, unknown_matches=False) and all(
        holds is True for holds in _conditions(statement, request)
    )


def _conditions(statement: Statement, request: Request) -> Iterator[bool | None]:
    """For each condition: whether it is met; None where that is not known."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            known = request.values(key) is not None and not _has_unknown(as_list(wanted), request)
            yield _holds({operator: {key: wanted}}, request) if known else None


def _holds(condition: dict[str, Any], request: Request) -> bool | None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    try:
        return decide(request, [everything | {"Condition": condition}]).allowed
    except (LookupError, NotImplementedError, ValueError):  # An operator that nobody knows.
        return None


def _elements_match(statement: Statement, request: Request, *, unknown_matches: bool) -> bool:
    """Whether action and resource match. A pattern with an unknown variable could be anything."""
    elements: dict[str, Any] = {"Effect": "Allow"}
    for name in ("Action", "NotAction"):
        if name in statement:
            elements[name] = [p for p in as_list(statement[name]) if _is_about(p, request)]
    for name in ("Resource", "NotResource"):
        if name in statement:
            widens = unknown_matches == (name == "Resource")
            elements[name] = list(_known_patterns(as_list(statement[name]), request, widens))
    if not {"Resource", "NotResource"} & elements.keys():
        elements["Resource"] = "*"  # A trust policy: its resource is the role itself.
    return decide(request, [elements]).allowed


def _is_about(pattern: str, request: Request) -> bool:
    """Whether a pattern of actions is of the request's service. AWS's own policies are long."""
    service = pattern.partition(":")[0].lower()
    return "*" in service or "?" in service or service == request.action.partition(":")[0].lower()


def _known_patterns(patterns: Sequence[str], request: Request, widens: bool) -> Iterator[str]:
    for pattern in patterns:
        if not _has_unknown([pattern], request):
            yield pattern
        elif widens:
            yield _VARIABLE.sub(lambda found: _or_star(found, request), pattern)


def _or_star(found: re.Match[str], request: Request) -> str:
    return "*" if _is_unknown(found[1], request) else found[0]


def _has_unknown(texts: Sequence[object], request: Request) -> bool:
    return any(
        _is_unknown(name, request) for text in texts for name in _VARIABLE.findall(str(text))
    )


def _is_unknown(name: str, request: Request) -> bool:
    return name not in _ESCAPES and request.values(name) is None
