"""Judges the two roles of a queue: why Mayfly's promise does not hold for instances with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from mayfly.answers import Role
from mayfly.iam.dangers import Danger, Named, protected, secrets, unheld
from mayfly.iam.documents import Statement
from mayfly.iam.effects import Effect, may_apply
from mayfly.iam.evaluation import Request
from mayfly.iam.place import Place

EC2 = {"Service": ("ec2.amazonaws.com",)}
"""The only principal of a trust policy: `aws:userid` contains the session name, which EC2 sets to
the instance's id, and which any other principal may choose."""
_ASSUME = ("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")

NARROW = (
    "give the role a policy that allows less, or deny these actions in a further policy or in the"
    " role's permissions boundary"
)
UNCHANGED = (
    "deploy the queue's stack from this version's unchanged stacks/queue.yaml, which denies them"
)
_MOST_TOLD = 4
"""Effects that a reason names, the other ones are counted."""


def why_refused(kind: str, role: Role, place: Place) -> Iterator[str]:
    """Reasons why a role must not be given to instances, each with what to change.

    `kind` is `bootstrap` or `sandbox`. No reason: the role may be used.
    """
    yield from _trusted(kind, role)
    effect = Effect(role.policies, role.boundary)
    rows = tuple(effect.allowed_values("dynamodb:LeadingKeys"))
    named = Named(tuple(effect.allowed_resources()), rows)
    denied = protected(place, named)
    if kind == "bootstrap":
        denied = chain(denied, secrets(place))
    for dangers, remedy in ((unheld(place, named), NARROW), (denied, UNCHANGED)):
        found = tuple(possible(dangers, effect))
        more = len(found) - _MOST_TOLD
        told = (*found[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else []))
        if found:
            yield f"the {kind} role may {'; '.join(told)}: {remedy}"


def why_shared(bootstrap: Role, sandbox: Role, stack: str) -> Iterator[str]:
    """A reason for each policy with an Allow that both roles carry, although its path is Mayfly's.

    Policies below the path of the stack may be shared as long as they only deny.
    """
    ours = {each.name: each for each in sandbox.policies if is_of_stack(each.name, stack)}
    for policy in bootstrap.policies:
        shared = ours.get(policy.name)
        if shared is not None and any(s["Effect"] == "Allow" for s in shared.statements):
            yield f"both roles carry {policy.name}, which allows something"


def is_of_stack(policy_arn: str, stack: str) -> bool:
    """Whether a managed policy lies below the path of Mayfly's own policies of the stack."""
    return f":policy/mayfly/{stack}/" in policy_arn


def possible(dangers: Iterable[Danger], effect: Effect) -> Iterator[str]:
    """Each kind of effect that the policies could allow, with its first action and policy."""
    told = set[str]()
    for danger in dangers:
        if danger.effect in told or any(map(effect.denies, danger.granted_elsewhere)):
            continue
        policies = [effect.granted_by(request) for request in danger.requests]
        granted = [each for each in policies if each is not None]
        if len(granted) == len(policies):
            told.add(danger.effect)
            action = danger.requests[0].action
            yield f"{danger.effect} ({action}, allowed by {granted[0].rpartition('/')[2]})"


def _trusted(kind: str, role: Role) -> Iterator[str]:
    strangers = [each for each in role.trust if _lets_in_others(each, role)]
    if strangers:
        who = ", ".join(dict.fromkeys(map(_named, strangers)))
        yield (
            f"the trust policy of the {kind} role lets {who} assume the role, and whoever assumes"
            " the role can pose as any instance: let the service ec2.amazonaws.com alone assume it"
        )


def _lets_in_others(statement: Statement, role: Role) -> bool:
    if statement["Effect"] != "Allow":
        return False
    if "NotPrincipal" not in statement and _only_ec2(statement.get("Principal")):
        return False
    # The request is that of a stranger, of whom no key is known.
    return any(may_apply(statement, Request(f"sts:{name}", role.arn)) for name in _ASSUME)


def _only_ec2(principal: object) -> bool:
    if not isinstance(principal, dict) or principal.keys() != EC2.keys():
        return False
    services = principal["Service"]
    named: Sequence[object] = services if isinstance(services, list | tuple) else (services,)
    return tuple(named) == EC2["Service"]


def _named(statement: Statement) -> str:
    """The principals of a statement for a message; a negated list in plain words."""
    principal = statement.get("Principal")
    if principal is None:
        return "everybody but the principals of a NotPrincipal"
    if not isinstance(principal, dict):
        return "everybody" if principal == "*" else str(principal)
    values = [
        v for each in principal.values() for v in (each if isinstance(each, list) else [each])
    ]
    return ", ".join("everybody" if value == "*" else str(value) for value in values)
