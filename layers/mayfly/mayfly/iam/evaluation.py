"""Evaluates IAM policies: for `provision`, the lab and the tests.

`decide` takes statements as one set, whoever calls. `evaluate` follows IAM for one caller: policies
of the identity, permissions boundary, session policy, and the resource's policy.
Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mayfly.iam.conditions import conditions_hold
from mayfly.iam.matching import like, resource_matches
from mayfly.iam.principals import Naming, naming
from mayfly.iam.request import Caller, Request, Statement, Values, as_list

__all__ = [
    "Caller",
    "Decision",
    "Kind",
    "Policies",
    "Request",
    "Statement",
    "Values",
    "Verdict",
    "as_list",
    "decide",
    "evaluate",
]

Policy = Sequence[Statement]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is allowed, and the Sid of the statement that decided; None for none."""

    allowed: bool
    sid: str | None = None


class Kind(StrEnum):
    """A kind of policy, in the words of AWS's messages."""

    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    RESOURCE = "resource-based policy"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a request, and what decided it."""

    allowed: bool
    by: Kind
    """The kind of the policy that decided; for an implicit denial, the kind without an Allow."""
    sid: str | None = None
    """The Sid of the statement that decided; None without a Sid or a statement."""
    explicit: bool = True
    """Whether a statement decided; False for an implicit denial."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies that IAM evaluates for one request of one caller."""

    identity: Sequence[Policy]
    """The caller's own policies, inline and managed."""
    boundary: Policy | None = None
    session: Policy | None = None
    """The policy that the caller of sts:AssumeRole gave for the session."""
    resource: Policy = ()
    """The resource's policy; a role's trust policy for sts:AssumeRole; none for most resources."""
    resource_account: str = ""
    """The account of the resource; empty for the caller's own."""
    resource_must_allow: bool = False
    """Whether the resource's policy must allow the request, or its account, in any case.

    True for KMS keys and for sts:AssumeRole.
    """


def decide(request: Request, *policies: Iterable[Statement]) -> Decision:
    """The decision of all policies together: a Deny wins over any Allow; no statement denies.

    Principal elements are not read.

    Raises:
        KeyError: a condition has an operator that IAM does not have.
    """
    applying = [
        statement for policy in policies for statement in policy if _applies(statement, request)
    ]
    for effect in ("Deny", "Allow"):
        for statement in applying:
            if statement["Effect"] == effect:
                return Decision(effect == "Allow", statement.get("Sid"))
    return Decision(allowed=False)


def evaluate(request: Request, caller: Caller, policies: Policies) -> Verdict:
    """IAM's verdict on a caller's request.

    Raises:
        KeyError: a condition has an operator that IAM does not have.
    """
    limits = _limits(policies)
    for kind, statements in ((Kind.IDENTITY, _own(policies)), *limits):
        if (deny := _first("Deny", statements, request)) is not None:
            return Verdict(False, kind, deny.get("Sid"))
    granted, statement = _granted(policies.resource, request, caller)
    if statement.get("Effect") == "Deny":
        return Verdict(False, Kind.RESOURCE, statement.get("Sid"))
    by_resource = Verdict(True, Kind.RESOURCE, statement.get("Sid"))
    foreign = policies.resource_account not in {"", caller.account} and not caller.service
    if granted is Naming.NOT and (foreign or policies.resource_must_allow):
        return Verdict(False, Kind.RESOURCE, explicit=False)
    if granted is Naming.DIRECT and not foreign:
        return by_resource
    for kind, statements in limits:
        if _first("Allow", statements, request) is None:
            return Verdict(False, kind, explicit=False)
    if (allow := _first("Allow", _own(policies), request)) is not None:
        return Verdict(True, Kind.IDENTITY, allow.get("Sid"))
    if granted is Naming.ROLE and not foreign:
        return by_resource
    return Verdict(False, Kind.IDENTITY, explicit=False)


def _own(policies: Policies) -> Iterator[Statement]:
    return (statement for policy in policies.identity for statement in policy)


def _limits(policies: Policies) -> list[tuple[Kind, Policy]]:
    found = ((Kind.BOUNDARY, policies.boundary), (Kind.SESSION, policies.session))
    return [(kind, policy) for kind, policy in found if policy is not None]


def _granted(policy: Policy, request: Request, caller: Caller) -> tuple[Naming, Statement]:
    """How closely the resource's policy names the caller for this request, and the statement.

    The statement is a Deny when one applies, else the Allow that names the caller most closely;
    empty without either.
    """
    closest: tuple[Naming, Statement] = (Naming.NOT, {})
    for statement in sorted(policy, key=lambda each: str(each["Effect"]) != "Deny"):
        how = naming(statement, caller)
        if how > closest[0] and _applies(statement, request):
            closest = how, statement
            if statement["Effect"] == "Deny":
                break
    return closest


def _first(effect: str, statements: Iterable[Statement], request: Request) -> Statement | None:
    for statement in statements:
        if statement["Effect"] == effect and _applies(statement, request):
            return statement
    return None


def _applies(statement: Statement, request: Request) -> bool:
    return (
        _action_matches(statement, request)
        and _resource_matches(statement, request)
        and conditions_hold(statement, request)
    )


def _action_matches(statement: Statement, request: Request) -> bool:
    negated = "NotAction" in statement
    action = request.action.lower()
    patterns = as_list(statement["NotAction" if negated else "Action"])
    return any(like(pattern.lower(), action, request) for pattern in patterns) != negated


def _resource_matches(statement: Statement, request: Request) -> bool:
    if "Principal" in statement and not {"Resource", "NotResource"} & statement.keys():
        return True  # a trust policy is about its own role
    negated = "NotResource" in statement
    patterns = as_list(statement["NotResource" if negated else "Resource"])
    found = any(resource_matches(pattern, request.resource, request) for pattern in patterns)
    return found != negated
