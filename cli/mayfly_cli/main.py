"""The command `mayfly`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from mayfly_cli.check_buildkite.command import check_buildkite
from mayfly_cli.command_line import SETTINGS, Group, ended
from mayfly_cli.first_job.command import first_job
from mayfly_cli.preflight.command import preflight
from mayfly_cli.uninstall.command import uninstall

EPILOG = """\
Exit status: 0 all is well, 1 something is wrong, 2 it could not begin,
130 it was stopped.
AWS credentials and region are taken as the AWS CLI takes them. Tokens come from
the environment alone, never from an argument."""


@click.group("mayfly", cls=Group, context_settings=SETTINGS, no_args_is_help=False, epilog=EPILOG)
@click.version_option(package_name="mayfly")
def mayfly() -> None:
    """What operators do to a real account, and ask of a real Buildkite."""


for command in (preflight, first_job, check_buildkite, uninstall):
    mayfly.add_command(command)


def run_command(arguments: Sequence[str]) -> int:
    """Run a command line; returns its exit status."""
    return ended(mayfly, arguments)


def main() -> None:
    """Run this program's command line, and exit."""
    sys.exit(run_command(sys.argv[1:]))
