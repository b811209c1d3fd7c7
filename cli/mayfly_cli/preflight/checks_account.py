"""Findings about the account: the caller's rights, and the names that a new stack needs."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.rights import SECRETS_KEY, Rights, of_templates
from mayfly_cli.preflight.snapshot import Snapshot, Stack

_DEAD = frozenset(
    {"CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
)
_LONGEST_ROLE = 64
CONCURRENCY = 10
"""Lambda invocations at once that the four functions need at most.

A schedule each, two for either SQS queue, one for the stream, one for the handover of `dispatch`.
A new account may have a quota of 10 or less (Lambda developer guide, "Lambda quotas").
"""


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Findings about the caller, rights, the stack, other names, and the sandbox role's name."""
    yield _account(seen)
    yield _rights(seen, rights(answers))
    yield _concurrency(seen)
    yield _stack(answers, seen)
    if not deployed(seen):
        yield _names(answers, seen)
    if answers.queue:
        yield _role_name(answers)


def rights(answers: Answers) -> Rights:
    """The actions that a deployment with these answers needs."""
    return of_templates([SECRETS_KEY] if answers.makes_key else ())


def of_deployed(seen: Snapshot) -> Iterator[Finding]:
    """The findings that matter once the stack exists: region, and the quota of Lambda."""
    yield _account(seen)
    yield _concurrency(seen)


def _account(seen: Snapshot) -> Finding:
    detail = f"{seen.account} in {seen.region}, as {seen.caller}"
    if seen.region.startswith("cn-"):
        # EC2's service principal there is ec2.amazonaws.com.cn, and nobody has tried the templates.
        detail += ": Mayfly does not support AWS's regions in China"
        return wrong("account", detail, "take a region of another partition")
    return ok("account", detail)


def deployed(seen: Snapshot) -> bool:
    """Whether the stack exists, so a deployment updates it and the names are its own."""
    return isinstance(seen.stack, Stack) and seen.stack.status not in _DEAD


def _rights(seen: Snapshot, needed: Rights) -> Finding:
    if isinstance(seen.denied, Unknown):
        return unknown("rights", f"cannot tell whether the caller may deploy: {seen.denied.reason}")
    if not seen.denied:
        count = len(needed.create | needed.later)
        detail = f"the caller's own policies allow all {count} actions (SCPs are not checked)"
        return ok("rights", detail)
    now = [each for each in seen.denied if each in needed.create]
    later = [each for each in seen.denied if each not in needed.create]
    parts = [f"the caller may not {', '.join(now)}"] if now else []
    if later:
        parts.append(
            f"for an upgrade, a rollback or `uninstall` the caller may not {', '.join(later)}"
        )
    detail = "; ".join(parts)
    return wrong("rights", detail, "deploy with a role that may, or have these actions allowed")


def _concurrency(seen: Snapshot) -> Finding:
    at_once = seen.concurrency
    if isinstance(at_once, Unknown):
        return unknown("quota lambda", at_once.reason)
    if at_once >= CONCURRENCY:
        return ok("quota lambda", f"{at_once} invocations at once, {CONCURRENCY} needed")
    detail = (
        f"{at_once} invocations at once for all functions of the account, {CONCURRENCY} needed:"
        " jobs would wait behind other functions, and behind events of other EC2 instances"
    )
    remedy = (
        f"aws service-quotas request-service-quota-increase --region {seen.region}"
        " --service-code lambda --quota-code L-B99A9384 --desired-value 1000"
    )
    return wrong("quota lambda", detail, remedy)


def _stack(answers: Answers, seen: Snapshot) -> Finding:
    name, region = answers.stack, seen.region
    match seen.stack:
        case Unknown(reason):
            return unknown("stack name", reason)
        case None:
            return ok("stack name", f"{name} is free")
        case Stack(status=status) if status in _DEAD:
            command = f"aws cloudformation delete-stack --region {region} --stack-name {name}"
            return wrong("stack name", f"{name} exists in state {status}", command)
        case Stack(status=status) if status.endswith("_IN_PROGRESS"):
            command = f"aws cloudformation describe-stacks --region {region} --stack-name {name}"
            return wrong("stack name", f"{name} is {status}: wait until that has ended", command)
        case Stack(status=status):
            return ok("stack name", f"{name} is deployed ({status}): a deployment would update it")


def _names(answers: Answers, seen: Snapshot) -> Finding:
    if isinstance(seen.taken, Unknown):
        return unknown("other names", seen.taken.reason)
    if not seen.taken:
        return ok("other names", "tables, functions, log groups, parameters and roles are free")
    command = f".venv/bin/mayfly uninstall --stack {answers.stack} --region {seen.region}"
    return wrong("other names", f"taken: {', '.join(seen.taken)}", command)


def _role_name(answers: Answers) -> Finding:
    name = answers.sandbox_role
    if len(name) <= _LONGEST_ROLE:
        return ok("sandbox role", name)
    remedy = "deploy the queue as a stack of stacks/queue.yaml, with a SandboxRoleName"
    return wrong("sandbox role", f"{name} is longer than {_LONGEST_ROLE} characters", remedy)
