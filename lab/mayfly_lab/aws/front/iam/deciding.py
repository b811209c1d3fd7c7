"""Decides calls by the deployed policies, and keeps for each what decided it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mayfly.iam.evaluation import Policies, Request, Values, evaluate
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.authoriser import ALLOWED, Verdict, denied
from mayfly_lab.aws.front.call import Call, Decided, Kind, Principal
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.mapping import needs_of, trimmed
from mayfly_lab.aws.front.iam.need import OF_ALL, Need, UnmappedCallError
from mayfly_lab.aws.front.iam.policies import DeployedPolicies, Identity

_REMEMBERED = 8192


@dataclass(slots=True)
class PolicyAuthoriser:
    """Authoriser of all principals: each request of a call must be allowed.

    GetCallerIdentity needs no permission, as in AWS. The lab itself is no principal of the account.
    """

    facts: Facts
    policies: DeployedPolicies
    clock: Callable[[], float]
    _decided: OrderedDict[Any, Decided] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Allow a call by the policies in force. A call without a mapping is denied."""
        if principal.kind is Kind.LAB or call.action == "sts:GetCallerIdentity":
            return ALLOWED
        try:
            needs = tuple(needs_of(call, self.facts))
        except UnmappedCallError as error:
            return self._without_mapping(principal, call, error)
        return self.require(principal, call, needs)

    def require(self, principal: Principal, call: Call, needs: Iterable[Need]) -> Verdict:
        """Decide on needs, and add what decided to the call; the first denial ends it."""
        identity = self.policies.identity(principal)
        for need in needs:
            decided = self._decide(identity, need)
            call.decided.append(decided)
            if not decided.allowed:
                return denied(f"no right to {need.action}", words(principal, decided))
        return ALLOWED

    def launching(self, principal: Principal, call: Call, needs: Iterable[Need]) -> Verdict:
        """As `require`, for needs that are known only after a fleet's request was read."""
        return self.require(principal, call, map(trimmed, needs))

    def _without_mapping(
        self, principal: Principal, call: Call, error: UnmappedCallError
    ) -> Verdict:
        """Deny; an administrator may make the call, for no policy could name what it touches."""
        allowed = principal.kind is Kind.ADMINISTRATOR
        why = str(error)
        call.decided.append(Decided(call.action, OF_ALL, {}, allowed, "no mapping", why, False))
        return ALLOWED if allowed else denied(why)

    def _decide(self, identity: Identity, need: Need) -> Decided:
        resource = self.policies.resource_policy(need)
        shape = (
            identity.caller.arn,
            frozenset(identity.context.items()),
            identity.policies,
            identity.boundary,
            identity.session,
            resource,
            need.action,
            need.resource,
            need.kind,
            frozenset((key, _hashable(value)) for key, value in need.context.items()),
        )
        with self._lock:
            if (known := self._decided.get(shape)) is not None:
                self._decided.move_to_end(shape)
                return known
        policies = self.policies.policies(need, identity, resource)
        context = {**self._global(), **identity.context, **need.context}
        request = Request(need.action, need.resource, context)
        verdict = evaluate(request, identity.caller, policies)
        decided = Decided(
            action=need.action,
            resource=need.resource,
            context=context,
            allowed=verdict.allowed,
            by=str(verdict.by),
            sid=verdict.sid,
            explicit=verdict.explicit,
            caller=identity.caller,
            policies=policies,
        )
        if not _by_time(policies):
            with self._lock:
                self._decided[shape] = decided
                if len(self._decided) > _REMEMBERED:
                    self._decided.popitem(last=False)
        return decided

    def _global(self) -> dict[str, Values]:
        now = self.clock()
        return {
            "aws:CurrentTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:EpochTime": str(int(now)),
            "aws:RequestedRegion": self.facts.region,
            "aws:ResourceAccount": ACCOUNT,
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
        }


def words(principal: Principal, decided: Decided) -> str:
    """AWS's message for a denied request.

    Source: IAM user guide, "Troubleshoot access denied error messages"; EC2 puts its own sentence
    before it, and S3 the ARN between quotation marks, as its users report.
    """
    article = "an" if decided.by[0] in "aeiou" else "a"
    because = (
        f"with an explicit deny in {article} {decided.by}"
        if decided.explicit
        else f"because no {decided.by} allows the {decided.action} action"
    )
    resource = f'"{decided.resource}"' if decided.action.startswith("s3:") else decided.resource
    where = "" if decided.resource == OF_ALL else f" on resource: {resource}"
    own = "You are not authorized to perform this operation. "
    return (
        f"{own if decided.action.startswith('ec2:') else ''}User: {principal.arn} is not"
        f" authorized to perform: {decided.action}{where} {because}"
    )


def _by_time(policies: Policies) -> bool:
    """Whether a condition is about the time, so that the verdict holds for this moment only."""
    every = (*policies.identity, policies.boundary, policies.session, policies.resource)
    keys = (
        key.lower()
        for policy in every
        for statement in policy or ()
        for tested in statement.get("Condition", {}).values()
        for key in tested
    )
    return any(key in {"aws:currenttime", "aws:epochtime"} for key in keys)


def _hashable(value: Values) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value)
