"""The command line of `mayfly check-profiles`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.parameter_types import Count

EPILOG = """\
Examples:
  mayfly check-profiles --region eu-central-1
  mayfly check-profiles --runs 5 --subnet subnet-0123
  mayfly check-profiles --policy

The caller needs the rights that --policy prints; the command needs no stack
and no key pair. Its two roles have no right at all.
Exit status: 0 every run ended at the new profile and stayed there, 1 one did
not, 2 the command could not begin, 130 the command was stopped; instance and
roles are then deleted."""


@click.command("check-profiles", cls=Command, epilog=EPILOG)
@click.option("--runs", type=Count(1, 200), default=50, help="Replacements.", show_default=True)
@click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    default="x86_64",
    help="Architecture of the instance.",
)
@click.option(
    "--subnet", metavar="SUBNET", help="Subnet of the instance.  [default: a default subnet]"
)
@click.option("--policy", is_flag=True, help="Print the policy that the caller needs, and end.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--region", metavar="REGION", help="AWS region.  [default: from the environment]")
def check_profiles(**options: Any) -> int:
    """Measure how the metadata service follows a new profile.

    The command makes two roles without rights, launches one instance of Amazon Linux 2023 with the
    first, and replaces its profile again and again. The instance reads the metadata service ten
    times a second and writes each change to its serial console. The result is a table of how long
    each path of the metadata service served the old role after the call.
    """
    # Imported late: boto3 takes half a second to import.
    from mayfly_cli.check_profiles.running import Options, run

    return run(Options(**options))
