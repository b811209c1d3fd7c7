"""The rights of people by the deployed policies of template.yaml, in AWS's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from mayfly.iam.evaluation import Request, Statement, decide
from mayfly_lab.aws.front.authoriser import ALLOWED, Verdict, denied
from mayfly_lab.aws.front.call import Call, Principal
from mayfly_lab.aws.front.requests import IamView


@dataclass(frozen=True, slots=True)
class PeopleRights:
    """Authoriser of people: all requests of a call must be allowed by the person's policy.

    `policy_of` returns the deployed policy of a person by name, as JSON; empty before the stack is
    deployed and after its deletion.
    """

    view: IamView
    policy_of: Callable[[str], str]

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Allow a call by the person's deployed policy."""
        allowed = statements(self.policy_of(principal.name))
        for request in self.view.requests(call):
            decision = decide(request, allowed)
            if not decision.allowed:
                return denied(
                    f"no right to {request.action}",
                    words(principal, request, explicit=decision.sid is not None),
                )
        return ALLOWED


def words(principal: Principal, request: Request, *, explicit: bool) -> str:
    """AWS's message for a denied request; `explicit` for a Deny.

    Source: IAM user guide, "Troubleshoot access denied error messages"; EC2 puts its own sentence
    before it.
    """
    because = (
        "with an explicit deny in an identity-based policy"
        if explicit
        else f"because no identity-based policy allows the {request.action} action"
    )
    where = "" if request.resource == "*" else f" on resource: {request.resource}"
    own = "You are not authorized to perform this operation. "
    return (
        f"{own if request.action.startswith('ec2:') else ''}User: {principal.arn} is not"
        f" authorized to perform: {request.action}{where} {because}"
    )


@cache
def statements(policy: str) -> Sequence[Statement]:
    """The statements of a policy in JSON; none of an empty text."""
    if not policy:
        return ()
    found: Sequence[Statement] = json.loads(policy)["Statement"]
    return found
