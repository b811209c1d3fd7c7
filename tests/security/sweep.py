"""Tries every action that could touch a protected thing, for every principal and attachment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mayfly.iam.evaluation import Policies, Request, Values, Verdict, evaluate
from mayfly.iam.matching import like
from mayfly.iam.request import Statement, as_list
from tests.security.authorization import Action
from tests.security.principals import ATTACHMENTS, NOTHING, Policy, Principal, managed, principals
from tests.security.thing import Thing
from tests.security.things import things

ADMINISTRATOR = "AdministratorAccess"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """An action that a principal may do to a thing."""

    principal: str
    thing: str
    action: str
    level: str
    """AWS's access level of the action."""
    attached: tuple[str, ...]
    """With which policies attached, `nothing` included."""


@cache
def rights() -> tuple[Right, ...]:
    """Everything that any principal may do to any protected thing, or without a resource."""
    return tuple(right for principal in principals().values() for right in _rights_of(principal))


def _rights_of(principal: Principal) -> Iterator[Right]:
    for thing in things().values():
        for action in thing.actions:
            if found := attachments_that_allow(principal, thing, action):
                yield Right(principal.name, thing.name, action.name, action.level, found)


def attachments_that_allow(principal: Principal, thing: Thing, action: Action) -> tuple[str, ...]:
    """The policies with which the principal may do the action, by at least one choice of keys.

    Attached policies only allow. So what AdministratorAccess does not allow none of them does, and
    what it allows is allowed by each whose statement has neither resource nor condition.
    """
    requests = list(_requests(principal, thing, action))
    allowed = [r for r in requests if verdict(principal, thing, r, ADMINISTRATOR).allowed]
    if not allowed:
        return ()
    others = (NOTHING, *(each for each in ATTACHMENTS if each != ADMINISTRATOR))
    found = [name for name in others if _allows(principal, thing, allowed, name)]
    return (*found, ADMINISTRATOR)


def _allows(principal: Principal, thing: Thing, requests: list[Request], attached: str) -> bool:
    if attached == NOTHING:
        granting = (*_about(principal.own, requests[0].action), *thing.policy)
    else:
        granting = _about(managed(attached), requests[0].action)
    if any(each["Effect"] == "Allow" and _unlimited(each) for each in granting):
        return True
    return bool(granting) and any(
        verdict(principal, thing, asked, attached).allowed for asked in requests
    )


def _unlimited(statement: Statement) -> bool:
    """Whether a statement of an identity is for every resource, and has no condition."""
    return statement.get("Resource") == "*" and not {"Condition", "Principal"} & statement.keys()


def _requests(principal: Principal, thing: Thing, action: Action) -> Iterator[Request]:
    seen: list[Mapping[str, Values]] = []
    for choice in thing.choices:
        supplied = action.supplied({**thing.context, **choice})
        if supplied not in seen:
            seen.append(supplied)
            yield request(principal, thing, action.name, supplied)


def request(
    principal: Principal, thing: Thing, action: str, supplied: Mapping[str, Values]
) -> Request:
    """The principal's request; `${aws:userid}` in a value stands for the principal's own."""
    userid = str(principal.context["aws:userid"])

    def own(value: str) -> str:
        return value.replace("${aws:userid}", userid)

    context = {
        key: own(value) if isinstance(value, str) else [own(each) for each in value]
        for key, value in supplied.items()
    }
    return Request(action, thing.arn, {**principal.context, **context})


def verdict(principal: Principal, thing: Thing, asked: Request, attached: str) -> Verdict:
    """IAM's verdict on the request with one of AWS's policies attached."""
    identity = [_about(policy, asked.action) for policy in principal.attached(attached)]
    of_thing = asked.action != "sts:AssumeRole" and thing.name.startswith("role/")
    policies = Policies(
        identity=identity,
        resource=() if of_thing else _about(tuple(thing.policy), asked.action),
        resource_must_allow=thing.policy_must_allow or asked.action.startswith("sts:AssumeRole"),
    )
    return evaluate(asked, principal.caller, policies)


_INDEX: dict[tuple[int, str], Policy] = {}
"""By a policy's identity and an action: its statements about the action."""


def _about(policy: Policy, action: str) -> Policy:
    """The statements of a policy whose actions match: the others cannot decide."""
    key = (id(policy), action)
    if key not in _INDEX:
        _INDEX[key] = tuple(each for each in policy if _names(each, action))
    return _INDEX[key]


def _names(statement: Statement, action: str) -> bool:
    negated = "NotAction" in statement
    patterns = as_list(statement["NotAction" if negated else "Action"])
    asked = Request(action.lower(), "*")
    return any(like(p.lower(), asked.action, asked) for p in patterns) != negated
