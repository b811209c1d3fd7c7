"""The command `mayfly` and its subcommands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from mayfly_cli.agent_release.command import agent_release
from mayfly_cli.check_aws.command import check_aws
from mayfly_cli.check_buildkite.command import check_buildkite
from mayfly_cli.check_image.command import check_image
from mayfly_cli.check_policies.command import check_policies
from mayfly_cli.check_profiles.command import check_profiles
from mayfly_cli.command_line import SETTINGS, Group, run_group
from mayfly_cli.first_job.command import first_job
from mayfly_cli.preflight.command import preflight
from mayfly_cli.uninstall.command import uninstall

EPILOG = """\
Exit status: 0 all is well, 1 something is wrong, 2 the command could not begin,
130 the command was stopped.
mayfly reads AWS credentials and region as the AWS CLI does. It reads tokens
from the environment only, never from an argument."""


@click.group("mayfly", cls=Group, context_settings=SETTINGS, no_args_is_help=False, epilog=EPILOG)
@click.version_option(package_name="mayfly")
def mayfly() -> None:
    """Check, try and remove Mayfly in a real AWS account and Buildkite."""


COMMANDS = (
    *(agent_release, preflight, first_job),
    *(check_aws, check_buildkite, check_image, check_policies, check_profiles),
    uninstall,
)
for command in COMMANDS:
    mayfly.add_command(command)


def run_command(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status."""
    return run_group(mayfly, arguments)


def main() -> None:
    """Run the command line of this process, and exit with its status."""
    sys.exit(run_command(sys.argv[1:]))
