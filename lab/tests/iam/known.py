"""Differences of the two evaluators that are known, with who is right, and by which source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from iam.cases import Case
from mayfly.iam.evaluation import Request, Statement, as_list

_VARIABLE = re.compile(r"\$\{([^},]+)\}")
"""A variable without a default value."""


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that may show in a case to which `concerns` applies, and in no other."""

    title: str
    right: str
    """Who is right: `ours`, `theirs`, or `unknown` with what follows for Mayfly."""
    source: str
    concerns: Callable[[Case], bool]


def _negated_variable_without_value(case: Case) -> bool:
    return any(
        _variables_missing(values, case.request)
        for statement in _statements(case)
        for values in _negated(statement)
    )


def _negated(statement: Statement) -> Iterator[Any]:
    yield statement.get("NotResource", ())
    for operator, keys in statement.get("Condition", {}).items():
        if "Not" in operator:
            yield from keys.values()


def _variables_missing(values: Any, request: Request) -> bool:
    names = (name for text in as_list(values) for name in _VARIABLE.findall(str(text)))
    return any(request.values(name.strip()) is None for name in names if name not in "*?$")


def _variable_before_slash(case: Case) -> bool:
    return any("${" in pattern.partition("/")[0] for pattern in _patterns(case))


def _patterns(case: Case) -> Iterator[str]:
    for statement in _statements(case):
        for element in ("Resource", "NotResource"):
            yield from map(str, as_list(statement.get(element, ())))


def _wildcard_beyond_colon(case: Case) -> bool:
    """Whether a pattern of the resource has a wildcard where the ARN has more than one part."""
    wanted = case.request.resource.count(":")
    return any(
        pattern.startswith("arn:") and "*" in pattern and pattern.count(":") < wanted
        for pattern in _patterns(case)
    )


def _root_path(case: Case) -> bool:
    return case.request.resource.endswith(":parameter/")


def _other_family(case: Case) -> bool:
    """Whether NotIpAddress is asked about an address of IPv6."""
    address = case.request.values("aws:SourceIp") or [""]
    negated = any(
        operator.startswith("NotIpAddress")
        for statement in _statements(case)
        for operator in statement.get("Condition", {})
    )
    return negated and ":" in address[0]


def _session_policy_beside_session(case: Case) -> bool:
    return case.policies.session is not None and any(
        case.caller.arn in _named(statement) for statement in _allows_of_resource(case)
    )


def _limit_beside_everybody(case: Case) -> bool:
    limited = case.policies.boundary is not None or case.policies.session is not None
    return limited and any("*" in _named(statement) for statement in _allows_of_resource(case))


def _allows_of_resource(case: Case) -> Iterator[Statement]:
    return (each for each in case.policies.resource if each["Effect"] == "Allow")


def _named(statement: Statement) -> list[Any]:
    principal = statement.get("Principal", {})
    return [principal] if isinstance(principal, str) else as_list(principal.get("AWS", ()))


def _statements(case: Case) -> Iterator[Statement]:
    policies = case.policies
    yield from (statement for policy in policies.identity for statement in policy)
    yield from policies.boundary or ()
    yield from policies.session or ()
    yield from policies.resource


OF_TABLE = (
    Known(
        "the root of all parameters",
        "ours: the independent one takes no parameter's path that is empty",
        "SSM API reference, GetParametersByPath: the path may be a slash alone",
        _root_path,
    ),
)
"""Differences in the cases of the table."""
OF_GRAMMAR = (
    Known(
        "an address of IPv6 and NotIpAddress with a range of IPv4",
        "ours: it matches every address but those of the range",
        "IAM user guide, IAM JSON policy elements: Condition operators, IP address",
        _other_family,
    ),
    Known(
        "a wildcard at the end of an ARN's part, beyond the colon",
        "ours: it matches. test_policies.py holds that no policy of Mayfly relies on it",
        "IAM user guide, IAM JSON policy elements: Resource, Using wildcards in resource ARNs",
        _wildcard_beyond_colon,
    ),
    Known(
        "a variable without a value, under a negated operator or in NotResource",
        "ours: a negated operator matches, and the resource matches nothing",
        "IAM user guide, IAM policy elements: Variables and tags, Policy variables with no value",
        _negated_variable_without_value,
    ),
    Known(
        "a variable in a resource before any slash, as in the name of an SQS queue",
        "ours: the independent one takes the variable's colon for the end of the resource's type",
        "IAM user guide, IAM policy elements: Variables and tags, Where you can use variables",
        _variable_before_slash,
    ),
    Known(
        "a resource policy allows the session by its ARN, a session policy does not",
        "ours: such a right is not limited by an implicit deny of a session policy",
        "IAM user guide, Permissions boundaries for IAM entities, IAM role sessions",
        _session_policy_beside_session,
    ),
    Known(
        "a resource policy allows everybody, a boundary or session policy does not allow",
        "unknown: ours denies. No resource policy of Mayfly allows anything to everybody",
        "IAM user guide, Permissions boundaries for IAM entities, names users, roles and sessions",
        _limit_beside_everybody,
    ),
)
"""Differences in random cases."""
