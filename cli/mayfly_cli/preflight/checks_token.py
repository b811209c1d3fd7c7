"""Findings about the limits of the agent token: queues, permissions, addresses, expiry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import Snapshot, TokenLimits

SOON = timedelta(days=30)
"""Before its expiry a token is replaced; Buildkite changes the expiry of no token."""
_ANYWHERE = {"0.0.0.0/0", "::/0"}
_SETTINGS = "in the cluster's settings at Buildkite, under Agent Tokens, "


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Findings about the token with each queue, its expiry and its allowed addresses."""
    if isinstance(seen.tries, Unknown):
        yield unknown("token's queues", seen.tries.reason)
    else:
        for queue, refusal in seen.tries.items():
            yield _queue(queue, refusal)
    if isinstance(seen.limits, Unknown):
        yield unknown("token's limits", seen.limits.reason)
        return
    yield _expiry(seen.limits, seen)
    yield _addresses(seen.limits, answers)


def _queue(queue: str, refusal: str | Unknown) -> Finding:
    subject = f"token for {queue}"
    if isinstance(refusal, Unknown):
        return unknown(subject, refusal.reason)
    if not refusal:
        return ok(subject, "a stack with this token may list the queue's jobs")
    if refusal.startswith("404"):
        detail = f"Buildkite answers {refusal}: the token's cluster has no queue {queue}"
        return wrong(subject, detail, "create a self-hosted queue in the cluster at Buildkite")
    remedy = _SETTINGS + "allow the token the missing permission, the queue or the address"
    return wrong(subject, f"Buildkite refuses the token for this queue: {refusal}", remedy)


def _expiry(limits: TokenLimits, seen: Snapshot) -> Finding:
    subject, expires = "token's expiry", limits.expires
    if expires is None:
        return ok(subject, "none")
    if expires - seen.now < SOON:
        detail = f"the token expires on {expires:%Y-%m-%d}, and no job would be taken from then on"
        return wrong(subject, detail, _SETTINGS + "make a new token and put it into the parameter")
    return ok(subject, f"{expires:%Y-%m-%d}; nothing else warns of it")


def _addresses(limits: TokenLimits, answers: Answers) -> Finding:
    subject = "token's addresses"
    if not limits.addresses or _ANYWHERE & set(limits.addresses):
        return ok(subject, "any")
    allowed = " ".join(limits.addresses)
    if not answers.control["DispatchSubnets"]:
        return wrong(
            subject,
            f"only {allowed} may use the token, and dispatch calls from addresses of AWS",
            "answer DispatchSubnets and DispatchSecurityGroups, or let the token allow 0.0.0.0/0",
        )
    detail = f"{allowed}: whether dispatch and the instances leave from there is not visible"
    return unknown(subject, detail)
