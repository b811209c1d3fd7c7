"""The table of permissions as questions to both evaluators: its cases, and its sweep."""

from __future__ import annotations

from collections.abc import Iterator

from iam.cases import Case
from mayfly.iam.evaluation import Policies, Request
from tests.security.case import Case as Sentence
from tests.security.case import named
from tests.security.cases.table import CASES
from tests.security.principals import Principal, principals
from tests.security.sweep import ADMINISTRATOR, request
from tests.security.thing import Thing
from tests.security.things import things


def sentences() -> Iterator[Case]:
    """Every case of the table, with its sentence as title."""
    for cases in CASES.values():
        yield from map(_of_sentence, cases)


def swept() -> Iterator[Case]:
    """Every action that could touch a protected thing, for each principal as an administrator.

    What AdministratorAccess does not allow none of AWS's policies allows, so these verdicts show
    every Deny and every resource's policy.
    """
    for principal in principals().values():
        for thing in things().values():
            for action in thing.actions:
                seen = []
                for choice in thing.choices:
                    supplied = action.supplied({**thing.context, **choice})
                    if supplied not in seen:
                        seen.append(supplied)
                        asked = request(principal, thing, action.name, supplied)
                        yield _case(f"{principal.title} and {thing.title}", principal, thing, asked)


def _of_sentence(case: Sentence) -> Case:
    principal = named(case.who)
    asked = request(principal, case.thing, case.action, case.supplied)
    if case.boundary is None:
        return _case(case.sentence, principal, case.thing, asked, case.attached)
    policies = Policies(principal.attached(case.attached), boundary=case.boundary)
    return Case(case.sentence, asked, principal.caller, policies)


def _case(
    title: str, principal: Principal, thing: Thing, asked: Request, attached: str = ADMINISTRATOR
) -> Case:
    service = asked.action.partition(":")[0]
    # Trust policies decide about sts:AssumeRole only, keys' policies about KMS's actions only.
    of_resource = "*" if thing.arn == "*" else thing.arn.split(":")[2]
    own = {"iam": "sts"}.get(of_resource, of_resource) == service
    policies = Policies(
        identity=principal.attached(attached),
        resource=thing.policy if own else (),
        resource_must_allow=own and (thing.policy_must_allow or service == "sts"),
    )
    return Case(title, asked, principal.caller, policies)
