"""The command line of `mayfly preflight`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.endpoints import API_TOKEN
from mayfly_cli.parameter_types import STACK_NAME, agent_endpoint, agent_releases, api_endpoint

EPILOG = f"""\
Examples:
  mayfly preflight --region eu-central-1 QueueKey=default VpcId=vpc-0123 \\
    Subnets=subnet-0123,subnet-4567 AssignPublicIp=false
  mayfly preflight --answers answers.txt limits/max-instances=20

With {API_TOKEN} in the environment (scope read_clusters) the command
also looks up the queue.
Exit status: 0 nothing is wrong, 1 something is wrong, 2 the command could not
begin."""


@click.command("preflight", cls=Command, epilog=EPILOG)
@click.argument("words", metavar="[Name=value]...", nargs=-1)
@click.option(
    "--answers",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="More answers, one a line; # begins a comment.",
)
@click.option(
    "--stack", metavar="NAME", type=STACK_NAME, default="mayfly", help="Name of the stack."
)
@click.option("--region", metavar="REGION", help="AWS region.  [default: from the environment]")
@agent_endpoint()
@api_endpoint()
@agent_releases()
def preflight(**options: Any) -> int:
    """Check an account before the first deployment.

    The command shows each problem with the command that repairs it, and changes nothing in the
    account; at Buildkite it registers a stack for a moment, to try the token with each queue. A
    subject that it cannot read is unknown, never ok.

    Name=value is an answer for the deployment: a parameter of template.yaml, of stacks/queue.yaml
    or of the queue.
    """
    # Imported late: boto3 and the template reader take a second to import.
    from mayfly_cli.preflight.survey import Options, run

    return run(Options(**options))
