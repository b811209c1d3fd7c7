"""Reads the account and Buildkite, decides the findings, and prints them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mayfly_cli.account import Account, open_account
from mayfly_cli.agent_releases import line_of
from mayfly_cli.buildkite import agent_api, rest_api, token_from
from mayfly_cli.endpoints import API_TOKEN
from mayfly_cli.ends import WELL, WRONG
from mayfly_cli.findings import Finding, Unknown, Verdict, table, tally
from mayfly_cli.preflight import (
    checks_account,
    checks_buildkite,
    checks_instances,
    checks_keys,
    checks_network,
    checks_roles,
    checks_secrets,
    checks_token,
    gather_account,
    gather_buildkite,
    gather_ec2,
    gather_keys,
    gather_policies,
    gather_token,
)
from mayfly_cli.preflight.answers import Answers, read_answers, read_file
from mayfly_cli.preflight.snapshot import Cluster, ClusterQueue, Snapshot, TokenLimits

_NO_KEY = Unknown("the queue's stack makes no key")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command."""

    stack: str
    region: str | None
    """None for the environment's region."""
    words: tuple[str, ...]
    """Answers for the deployment, as `Name=value`."""
    answers: Path | None
    """A file with more answers, one a line."""
    agent_endpoint: str
    api_endpoint: str
    agent_releases: str
    """Address of the agent's releases."""


def run(options: Options) -> int:
    """Check the account and print its findings.

    Returns the exit status: 1 if a finding is wrong, else 0.

    Raises:
        UsageError: an answer is unknown, missing or not allowed, or the account cannot be opened.
    """
    words = [] if options.answers is None else read_file(options.answers)
    answers = read_answers(options.stack, [*words, *options.words])
    account = open_account(options.region)
    seen = gather(account, answers, options)
    findings = decide(answers, seen)
    sys.stdout.write(table(findings) + "\n\n" + tally(findings) + "\n")
    return WRONG if any(each.verdict is Verdict.WRONG for each in findings) else WELL


def decide(answers: Answers, seen: Snapshot) -> list[Finding]:
    """All findings, in the order of the table. Network and instances need a queue."""
    findings = [*checks_account.check(answers, seen), *checks_buildkite.check(answers, seen)]
    findings += checks_token.check(answers, seen)
    if answers.queue:
        findings += checks_network.check(answers, seen)
        findings += checks_instances.check(answers, seen)
        findings += checks_keys.check(answers, seen)
        findings += checks_roles.check(answers, seen)
        findings += checks_secrets.check(answers, seen)
    return findings


def gather(account: Account, answers: Answers, options: Options) -> Snapshot:
    """Read the account and Buildkite into one snapshot. Failed reads become Unknown."""
    token, value = gather_account.token(account, answers.control["TokenParameter"])
    cluster, queue = _buildkite(value, answers, options.agent_endpoint, options.api_endpoint)
    tries, limits = _token(account, value, cluster, answers, options)
    nothing = Unknown("the deployment has no queue")
    subnets = gather_ec2.subnets(account, answers.subnets) if answers.queue else nothing
    zones = [] if isinstance(subnets, Unknown) else sorted({s.zone for s in subnets.values()})
    types = answers.config.instance_types
    image = gather_ec2.image(account, answers) if answers.queue else nothing
    return Snapshot(
        caller=account.caller,
        account=account.id,
        region=account.region,
        principal=gather_account.principal(account) if answers.makes_key else _NO_KEY,
        token=token,
        cluster=cluster,
        queue=queue,
        subnets=subnets,
        types=gather_ec2.types(account, types, zones) if answers.queue else nothing,
        quotas=gather_ec2.quotas(account, answers) if answers.queue else {},
        roles=gather_account.roles(account, checks_instances.roles(answers)),
        image=image,
        archive=gather_buildkite.archive(answers.archive()[0]) if answers.queue else nothing,
        agent_line=line_of(options.agent_releases, answers.queue_stack["AgentVersion"])
        if answers.queue
        else nothing,
        now=datetime.now(UTC),
        stack=gather_account.stack(account, answers.stack),
        taken=gather_account.taken(account, answers),
        denied=gather_account.denied(account, checks_account.rights(answers)),
        volume_keys=gather_keys.volume_keys(account, checks_keys.keys(answers, image)),
        policies=gather_policies.policies(account, checks_roles.named(answers)),
        tries=tries,
        limits=limits,
        concurrency=gather_account.concurrency(account),
    )


def _buildkite(
    token: str, answers: Answers, agent_endpoint: str, api_endpoint: str
) -> tuple[Cluster | Unknown | None, ClusterQueue | Unknown | None]:
    agent = agent_api(agent_endpoint, token)
    if not token:
        return (Unknown("there is no token for the call"),) * 2
    cluster = gather_buildkite.cluster(agent)
    if not isinstance(cluster, Cluster) or not cluster.id:
        return cluster, Unknown("only a cluster's token shows its queues")
    if not answers.queue:
        return cluster, Unknown("the deployment has no queue")
    own = token_from(API_TOKEN)
    rest = rest_api(api_endpoint, own) if own else None
    return cluster, gather_buildkite.queue(agent, rest, cluster, answers.queue)


def _token(
    account: Account,
    token: str,
    cluster: Cluster | Unknown | None,
    answers: Answers,
    options: Options,
) -> tuple[Mapping[str, str | Unknown] | Unknown, TokenLimits | Unknown]:
    """The token's tries with the queues of the answers and of the deployed stack, and limits."""
    if not token or cluster is None:
        return (Unknown("there is no token that Buildkite accepts"),) * 2
    served = gather_token.published(account, answers.stack)
    queues = [answers.queue] if answers.queue else []
    if not isinstance(served, Unknown):
        queues += [queue for queue in served if queue not in queues]
    agent = agent_api(options.agent_endpoint, token)
    tries = dict(gather_token.tries(agent, account, answers.stack, queues))
    if isinstance(served, Unknown):
        tries[f"further queues of {answers.stack}"] = served
    if isinstance(cluster, Unknown) or not cluster.id:
        return tries, Unknown("Buildkite does not tell the token's cluster")
    own = token_from(API_TOKEN)
    return tries, gather_token.limits(rest_api(options.api_endpoint, own) if own else None, cluster)
