"""The command line of `mayfly check-policies`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.options import a_queue
from mayfly_cli.parameter_types import STACK_NAME

EPILOG = """\
Examples:
  mayfly check-policies --stack mayfly default
  mayfly check-policies try --stack throw-away --region eu-central-1
  mayfly check-policies --policy

The caller needs the rights that --policy prints. The command only reads, so
it changes nothing and costs nothing.
Exit status: 0 AWS agrees about each case that it can judge, 1 it differs about
one, or judges none, 2 the command could not begin."""


@click.command("check-policies", cls=Command, epilog=EPILOG)
@click.option(
    "--stack", metavar="NAME", type=STACK_NAME, default="mayfly", help="The control plane's stack."
)
@a_queue("A deployed queue.", default="default")
@click.option("--policy", is_flag=True, help="Print the policy that the caller needs, and end.")
@click.option("--region", metavar="REGION", help="AWS region.  [default: from the environment]")
def check_policies(**options: Any) -> int:
    """Ask AWS about each case of the table of permissions.

    The table in docs/permissions.md is made by an evaluator of Mayfly's own. The command asks IAM's
    policy simulator about the same requests, for the roles and policies as they are deployed, and
    compares the verdicts. It says why where the simulator cannot judge a case.
    """
    # Imported late: boto3 takes half a second to import.
    from mayfly_cli.check_policies.running import Options, run

    return run(Options(**options))
