"""The command line of `mayfly uninstall`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.endpoints import AGENT_ENDPOINT
from mayfly_cli.parameter_types import QUEUE_KEY, STACK_NAME, Address
from mayfly_cli.uninstall.found import TOKEN_PARAMETER

EPILOG = """\
Examples:
  mayfly uninstall --region eu-central-1
  mayfly uninstall --region eu-central-1 --queue deploy

The first takes away all of the stack mayfly, the second one queue while the
others go on. The token parameter is never deleted.
Exit status: 0 nothing is left, 1 something is, 2 it could not begin."""


@click.command("uninstall", cls=Command, epilog=EPILOG)
@click.option(
    "--stack", metavar="NAME", type=STACK_NAME, default="mayfly", help="Name of the stack."
)
@click.option("--queue", metavar="KEY", type=QUEUE_KEY, help="Only this queue.")
@click.option("--now", is_flag=True, help="Do not wait for running jobs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--region", metavar="REGION", help="AWS region.  [default: that of the environment]")
@click.option(
    "--token-parameter",
    metavar="NAME",
    help=f"Where the agent token is, once the stack is gone.  [default: {TOKEN_PARAMETER}]",
)
@click.option(
    "--agent-endpoint",
    metavar="URL",
    type=Address(AGENT_ENDPOINT),
    help="Buildkite's agent API.  [default: that of the stack]",
)
def uninstall(queue: str | None, **options: Any) -> int:
    """Take a stack, or one of its queues, away.

    It shows what it will delete and asks. Then it pauses the queues, waits for running jobs,
    terminates instances, deletes CloudFormation stacks and everything that they leave, and gives
    the stack's key back to Buildkite. After an interruption, run it again.
    """
    # Late: boto3 takes half a second to import.
    from mayfly_cli.uninstall.removal import Chosen, run

    return run(Chosen(queue=queue or "", **options))
