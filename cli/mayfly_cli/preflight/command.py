"""The command `preflight`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mayfly_cli.account import Account, open_account
from mayfly_cli.buildkite import (
    AGENT_ENDPOINT,
    API_ENDPOINT,
    API_TOKEN,
    agent_api,
    checked_address,
    rest_api,
    token_from,
)
from mayfly_cli.ends import WELL, WRONG, ended, parser
from mayfly_cli.findings import Finding, Unknown, Verdict, table, tally
from mayfly_cli.preflight import (
    checks_account,
    checks_buildkite,
    checks_instances,
    checks_network,
    gather_account,
    gather_buildkite,
    gather_ec2,
)
from mayfly_cli.preflight.answers import Answers, read_answers, read_file
from mayfly_cli.preflight.snapshot import Cluster, QueueSeen, Snapshot

NAME = "preflight"
_ABOUT = """\
Checks an account before the first deployment and shows what is wrong, with the command that
mends it. It changes nothing. What it could not look at is shown as unknown, never as ok."""
_EPILOG = f"""\
Answers are parameters of template.yaml, of stacks/queue.yaml and of the queue, as Name=value:

  scripts/preflight --region eu-central-1 QueueKey=default VpcId=vpc-0123 \\
    Subnets=subnet-0123,subnet-4567 AssignPublicIp=false limits/max-instances=20

{API_TOKEN} in the environment (scope read_clusters), where it is set, lets it look up the queue.
Exit status: 0 nothing is wrong, 1 something is, 2 it could not begin."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    return ended(NAME, _preflight, sys.argv[1:] if arguments is None else arguments)


def _preflight(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    words = [] if chosen.answers is None else read_file(chosen.answers)
    answers = read_answers(chosen.stack, [*words, *chosen.words])
    checked_address(chosen.agent_endpoint, AGENT_ENDPOINT)
    checked_address(chosen.api_endpoint, API_ENDPOINT)
    account = open_account(chosen.region)
    seen = gather(account, answers, chosen.agent_endpoint, chosen.api_endpoint)
    findings = decide(answers, seen)
    sys.stdout.write(table(findings) + "\n\n" + tally(findings) + "\n")
    return WRONG if any(each.verdict is Verdict.WRONG for each in findings) else WELL


def decide(answers: Answers, seen: Snapshot) -> list[Finding]:
    """All findings."""
    findings = [*checks_account.check(answers, seen), *checks_buildkite.check(answers, seen)]
    if answers.queue:
        findings += checks_network.check(answers, seen)
        findings += checks_instances.check(answers, seen)
    return findings


def gather(account: Account, answers: Answers, agent_endpoint: str, api_endpoint: str) -> Snapshot:
    """Look at everything."""
    token, value = gather_account.token(account, answers.control["TokenParameter"])
    cluster, queue = _buildkite(value, answers, agent_endpoint, api_endpoint)
    nothing = Unknown("there is no queue to look at it for")
    subnets = gather_ec2.subnets(account, answers.subnets) if answers.queue else nothing
    zones = [] if isinstance(subnets, Unknown) else sorted({s.zone for s in subnets.values()})
    types = answers.config.instance_types
    return Snapshot(
        caller=account.caller,
        account=account.id,
        region=account.region,
        token=token,
        cluster=cluster,
        queue=queue,
        subnets=subnets,
        types=gather_ec2.types(account, types, zones) if answers.queue else nothing,
        quotas=gather_ec2.quotas(account, answers) if answers.queue else {},
        roles=gather_account.roles(account, checks_instances.roles(answers)),
        image=gather_ec2.image(account, answers) if answers.queue else nothing,
        archive=gather_buildkite.archive(answers.archive()[0]) if answers.queue else nothing,
        stack=gather_account.stack(account, answers.stack),
        taken=gather_account.taken(account, answers),
        denied=gather_account.denied(account),
    )


def _buildkite(
    token: str, answers: Answers, agent_endpoint: str, api_endpoint: str
) -> tuple[Cluster | Unknown | None, QueueSeen | Unknown | None]:
    agent = agent_api(agent_endpoint, token)
    if not token:
        return (Unknown("there is no token to ask with"),) * 2
    cluster = gather_buildkite.cluster(agent)
    if not isinstance(cluster, Cluster) or not cluster.id:
        return cluster, Unknown("without a token of a cluster its queues are not seen")
    if not answers.queue:
        return cluster, Unknown("there is no queue to look for")
    own = token_from(API_TOKEN)
    rest = rest_api(api_endpoint, own) if own else None
    return cluster, gather_buildkite.queue(agent, rest, cluster, answers.queue)


def _parser() -> argparse.ArgumentParser:
    made = parser(NAME, _ABOUT, _EPILOG)
    made.add_argument("words", metavar="Name=value", nargs="*", help="an answer of the deployment")
    made.add_argument("--answers", metavar="FILE", type=Path, help="more of them, one a line")
    made.add_argument("--stack", default="mayfly", help="name of the stack (default: mayfly)")
    made.add_argument("--region", help="AWS region (default: that of the environment)")
    made.add_argument(
        "--agent-endpoint", metavar="URL", default=AGENT_ENDPOINT, help="Buildkite's agent API"
    )
    made.add_argument(
        "--api-endpoint", metavar="URL", default=API_ENDPOINT, help="Buildkite's REST API"
    )
    return made
