"""The command line of `mayfly uninstall`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.endpoints import AGENT_ENDPOINT
from mayfly_cli.operations.options import a_queue
from mayfly_cli.parameter_types import STACK_NAME, Address
from mayfly_cli.uninstall.inventory import TOKEN_PARAMETER

EPILOG = """\
Examples:
  mayfly uninstall --region eu-central-1
  mayfly uninstall deploy --region eu-central-1

The first example deletes the stack mayfly with all queues, the second one
queue while the others go on. The token parameter is never deleted.
Exit status: 0 nothing is left, 1 something is left, 2 the command could not
begin."""


@click.command("uninstall", cls=Command, epilog=EPILOG)
@click.option(
    "--stack", metavar="NAME", type=STACK_NAME, default="mayfly", help="Name of the stack."
)
@a_queue("Delete only this queue.", required=False)
@click.option("--now", is_flag=True, help="Do not wait for running jobs.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--region", metavar="REGION", help="AWS region.  [default: from the environment]")
@click.option(
    "--token-parameter",
    metavar="NAME",
    help="SSM parameter of the agent token, for a stack that is gone."
    f"  [default: {TOKEN_PARAMETER}]",
)
@click.option(
    "--agent-endpoint",
    metavar="URL",
    type=Address(AGENT_ENDPOINT),
    help="Buildkite's agent API.  [default: from the stack]",
)
def uninstall(queue: str | None, **options: Any) -> int:
    """Delete a stack, or one of its queues.

    The command lists what it will delete and asks for confirmation. Then it pauses the queues,
    waits for running jobs, terminates instances, deletes CloudFormation stacks and their
    leftovers, and deregisters the stack's key at Buildkite. After an interruption, run the command
    again.
    """
    # Imported late: boto3 takes half a second to import.
    from mayfly_cli.uninstall.removal import Options, run

    return run(Options(queue=queue or "", **options))
