"""Is the token there, does Buildkite take it, and is the queue what Mayfly can serve?"""

from __future__ import annotations

from collections.abc import Iterator

from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import QueueSeen, Snapshot, Token


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """The findings about the token and the queue."""
    yield _parameter(answers, seen)
    if isinstance(seen.token, Token) and seen.token.type == "SecureString":
        yield _key(answers, seen.token)
    yield _accepted(answers, seen)
    if answers.queue:
        yield _queue(answers, seen)


def _put(answers: Answers, seen: Snapshot) -> str:
    return (
        f"aws ssm put-parameter --region {seen.region} --type SecureString --overwrite"
        f" --name {answers.control['TokenParameter']} --value 'bkct_…'"
    )


def _parameter(answers: Answers, seen: Snapshot) -> Finding:
    name, subject = answers.control["TokenParameter"], "token parameter"
    put = _put(answers, seen)
    match seen.token:
        case Unknown(reason):
            return unknown(subject, f"{name}: {reason}")
        case None:
            return wrong(subject, f"there is no {name} in {seen.region}", put)
        case Token(type=kind) if kind != "SecureString":
            drop = f"aws ssm delete-parameter --region {seen.region} --name {name}"
            return wrong(subject, f"{name} is a {kind}, not a SecureString", f"{drop}\n{put}")
        case Token(problem=Unknown(reason)):
            return unknown(subject, f"{name} is a SecureString; its value: {reason}")
        case Token(problem=str(problem)) if problem:
            return wrong(subject, f"{name}: {problem}", put)
        case Token():
            return ok(subject, f"{name} is a SecureString and can be read")


def _key(answers: Answers, token: Token) -> Finding:
    subject, given = "token key", answers.control["TokenKmsKey"]
    if isinstance(token.key, Unknown):
        return unknown(subject, token.key.reason)
    if token.key == given:
        return ok(subject, given or "the account's own aws/ssm key")
    if not given:
        detail = f"the parameter is encrypted with {token.key}, which dispatch could not use"
        return wrong(subject, detail, f"answer TokenKmsKey={token.key}")
    name = token.key or "the account's own aws/ssm key"
    return wrong(
        subject, f"TokenKmsKey is {given}, but it is {name}", f"answer TokenKmsKey={token.key}"
    )


def _accepted(answers: Answers, seen: Snapshot) -> Finding:
    subject = "token at Buildkite"
    match seen.cluster:
        case Unknown(reason):
            return unknown(subject, reason)
        case None:
            made = "make an agent token in the cluster's settings at Buildkite, then\n"
            return wrong(subject, "Buildkite refuses the token", made + _put(answers, seen))
        case cluster if not cluster.id:
            return wrong(
                subject,
                "the token belongs to no cluster, and only clusters have a Stacks API",
                "make an agent token in a cluster's settings at Buildkite",
            )
        case cluster if cluster.queue and cluster.queue != answers.queue:
            return wrong(
                subject,
                f"the token is for the queue {cluster.queue} alone",
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
            return wrong(subject, detail, "make a self-hosted queue in the cluster at Buildkite")
        case QueueSeen(hosted=Unknown(reason)):
            return unknown(subject, reason)
        case QueueSeen(hosted=True):
            detail = "it is hosted by Buildkite: no agent of yours can serve it"
            return wrong(subject, detail, "make a self-hosted queue in the cluster at Buildkite")
        case QueueSeen(paused=True):
            detail = "its dispatch is paused: no job would run"
            return wrong(subject, detail, "resume it on the queue's page at Buildkite")
        case QueueSeen():
            return ok(subject, "self-hosted, not paused")
