"""Findings about the agent token and the queue at Buildkite."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import ClusterQueue, Snapshot, Token


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Findings about the token's parameter, its key, its cluster, and the queue."""
    yield from parameter(answers, seen)
    yield _accepted(answers, seen)
    if answers.queue:
        yield _queue(answers, seen)


def parameter(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Findings about the token's parameter, and about its key."""
    yield _parameter(answers, seen)
    if isinstance(seen.token, Token) and seen.token.type == "SecureString":
        yield _key(answers, seen.token)


def _put_command(answers: Answers, seen: Snapshot) -> str:
    return (
        f"aws ssm put-parameter --region {seen.region} --type SecureString --overwrite"
        f" --name {answers.control['TokenParameter']} --value 'bkct_…'"
    )


def _parameter(answers: Answers, seen: Snapshot) -> Finding:
    name, subject = answers.control["TokenParameter"], "token parameter"
    put = _put_command(answers, seen)
    match seen.token:
        case Unknown(reason):
            return unknown(subject, f"{name}: {reason}")
        case None:
            return wrong(subject, f"there is no {name} in {seen.region}", put)
        case Token(type=kind) if kind != "SecureString":
            drop = f"aws ssm delete-parameter --region {seen.region} --name {name}"
            return wrong(subject, f"{name} is a {kind}, not a SecureString", f"{drop}\n{put}")
        case Token(problem=Unknown(reason)):
            return unknown(subject, f"{name} is a SecureString; cannot read its value: {reason}")
        case Token(problem=str(problem)) if problem:
            return wrong(subject, f"{name}: {problem}", put)
        case Token():
            return ok(subject, f"{name} is a readable SecureString")


def _key(answers: Answers, token: Token) -> Finding:
    subject, given = "token key", answers.control["TokenKmsKey"]
    if isinstance(token.key, Unknown):
        return unknown(subject, token.key.reason)
    if token.key == given:
        return ok(subject, given or "the account's own aws/ssm key")
    if not given:
        detail = f"dispatch could not use {token.key}, the key that encrypts the parameter"
        return wrong(subject, detail, f"answer TokenKmsKey={token.key}")
    name = token.key or "the account's own aws/ssm key"
    return wrong(
        subject,
        f"TokenKmsKey is {given}, but {name} encrypts the parameter",
        f"answer TokenKmsKey={token.key}",
    )


def _accepted(answers: Answers, seen: Snapshot) -> Finding:
    subject = "token at Buildkite"
    match seen.cluster:
        case Unknown(reason):
            return unknown(subject, reason)
        case None:
            create = "create an agent token in the cluster's settings at Buildkite, then\n"
            command = create + _put_command(answers, seen)
            detail = "Buildkite refuses the token: it is revoked, expired, or no agent token"
            return wrong(subject, detail, command)
        case cluster if not cluster.id:
            return wrong(
                subject,
                "the token belongs to no cluster, and only clusters have a Stacks API",
                "create an agent token in a cluster's settings at Buildkite",
            )
        case cluster if cluster.queue and cluster.queue != answers.queue:
            return wrong(
                subject,
                f"the token is for the queue {cluster.queue} only",
                "take a token of the whole cluster, or answer QueueKey=" + cluster.queue,
            )
        case cluster:
            return ok(subject, f"organisation {cluster.organization}, cluster {cluster.name}")


def _queue(answers: Answers, seen: Snapshot) -> Finding:
    subject = f"queue {answers.queue}"
    match seen.queue:
        case Unknown(reason):
            return unknown(subject, reason)
        case None:
            detail = "the token's cluster has no such queue"
            return wrong(subject, detail, "create a self-hosted queue in the cluster at Buildkite")
        case ClusterQueue(hosted=Unknown(reason)):
            return unknown(subject, reason)
        case ClusterQueue(hosted=True):
            detail = "the queue is hosted by Buildkite: no agent of yours can serve it"
            return wrong(subject, detail, "create a self-hosted queue in the cluster at Buildkite")
        case ClusterQueue(paused=True):
            detail = "dispatch of the queue is paused: no job would run"
            return wrong(subject, detail, "resume dispatch on the queue's page at Buildkite")
        case ClusterQueue():
            return ok(subject, "self-hosted, not paused")
