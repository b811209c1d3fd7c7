"""The command line of `mayfly check-image`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command

EPILOG = """\
Examples:
  mayfly check-image --region eu-central-1
  mayfly check-image --region eu-central-1 --architecture arm64 --dry-run
  mayfly check-image --policy

The caller needs the rights that --policy prints; the command needs no stack,
no role and no key pair. The instance gets no role.
Exit status: 0 no scenario went wrong, 1 something is wrong, 2 the command
could not begin, 130 the command was stopped; the instance is then terminated."""


@click.command("check-image", cls=Command, epilog=EPILOG)
@click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    default="x86_64",
    help="Architecture of the instance.",
)
@click.option(
    "--subnet",
    metavar="SUBNET",
    help="Subnet with a way to Amazon's package repositories; with IPv6 for all scenarios."
    "  [default: a default subnet]",
)
@click.option("--dry-run", is_flag=True, help="Ask EC2 whether it would launch; launch nothing.")
@click.option("--policy", is_flag=True, help="Print the policy that the caller needs, and end.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--region", metavar="REGION", help="AWS region.  [default: from the environment]")
def check_image(**options: Any) -> int:
    """Try on Amazon Linux 2023 what a host needs.

    The command launches one instance of stock Amazon Linux 2023, without role and key. The
    instance tries each scenario and writes the verdicts to its serial console, which the command
    reads. It is stopped, started and rebooted, and switches itself off at the end, which
    terminates it. The command terminates it in any case.
    """
    # Imported late: boto3 takes half a second to import.
    from mayfly_cli.check_image.running import Options, run

    return run(Options(**options))
