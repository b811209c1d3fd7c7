"""A question to IAM's policy simulator about one case, or why the case cannot be asked about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mayfly_cli.check_policies.cases import Case, Context, NoSuchName, Principal, filled
from mayfly_cli.check_policies.deployment import MISSING, Deployment

RESOURCE_POLICY = "the resource's policy decides, and the simulator takes none for a role"
"""Source: IAM API reference, SimulatePrincipalPolicy, ResourcePolicy: "Simulation of resource-based
policies isn't supported for IAM roles"."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request, by whom, under which policies."""

    role: str
    """ARN of the role whose deployed policies count; empty where only `policies` count."""
    policies: tuple[str, ...]
    """ARNs of further managed policies."""
    boundary: str
    """A permissions boundary as JSON; empty for the role's own."""
    action: str
    resource: str
    context: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Condition keys, each with its type and its values."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The simulator's answer to one question."""

    allowed: bool = False
    missing: Sequence[str] = ()
    """Condition keys that policies name and that the simulator had no value for."""
    by: Sequence[str] = ()
    """Names of the policies that decided."""
    refused: str = ""
    """The simulator's error; empty if it answered."""


class CannotAsk(Exception):
    """The simulator cannot be asked about the case. The text says why."""


def question(case: Case, principal: Principal, deployed: Deployment) -> Question:
    """The question about a case in a deployment.

    Raises:
        CannotAsk: the simulator cannot judge the case, or the deployment has no part of it.
    """
    if case.resource_decides:
        raise CannotAsk(RESOURCE_POLICY)
    own = _own_policies(principal, deployed)
    if not principal.role and not own and not principal.foreign:
        raise CannotAsk("the policies belong to another stack than the two that are asked about")
    names = deployed.names
    attached = [f"arn:<partition>:iam::aws:policy/{case.attached}"] if case.attached else []
    try:
        found = Question(
            role=filled(principal.role, names),
            policies=tuple(filled(each, names) for each in (*own, *attached)),
            boundary=filled(_document(case), names) if case.boundary else "",
            action=case.action,
            resource=filled(case.resource, names),
            context=_filled({**principal.context, **case.context}, names),
        )
    except NoSuchName as error:
        name = str(error)
        raise CannotAsk(MISSING.get(name) or f"the stack has no {name}") from error
    if not found.role and not found.policies:
        raise CannotAsk("the role has no policy that IAM could be asked about")
    return found


def _own_policies(principal: Principal, deployed: Deployment) -> list[str]:
    if not principal.policy:
        return []
    if principal.policy not in deployed.policies:
        raise CannotAsk(f"the stack has no {principal.policy}")
    return [deployed.policies[principal.policy]]


def _document(case: Case) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(case.boundary)})


def _filled(
    context: Context, names: Mapping[str, str]
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return tuple(
        (filled(key, names), kind, tuple(filled(value, names) for value in values))
        for key, (kind, values) in context.items()
    )
