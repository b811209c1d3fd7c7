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
from mayfly_cli.command_line import SETTINGS, Sections, run_group
from mayfly_cli.deploy_keys.command import deploy_key
from mayfly_cli.doctor.command import doctor
from mayfly_cli.explain.command import explain
from mayfly_cli.first_job.command import first_job
from mayfly_cli.import_secrets.command import import_secrets
from mayfly_cli.listings.command import instances, jobs, launches
from mayfly_cli.logs.command import logs
from mayfly_cli.past.command import changes, cost, waits
from mayfly_cli.plan.command import plan
from mayfly_cli.preflight.command import preflight
from mayfly_cli.report.command import report
from mayfly_cli.settings.command import CHANGING, get
from mayfly_cli.status.command import status
from mayfly_cli.uninstall.command import uninstall

EPILOG = """\
Examples:
  mayfly status                    every queue, and what needs a person
  mayfly explain app/812           why a job of this build waits, and what to do
  mayfly pool default 10 --for 2h  a larger warm pool for a while
  mayfly doctor                    whether the stack and its account are well

Exit status: 0 all is well, 1 something needs a person, 2 the command could not
ask, 130 the command was stopped, 141 nobody read its output to the end.
mayfly reads AWS credentials and region as the AWS CLI does. It reads tokens
from the environment or Parameter Store, never from an argument. The stack is
found by itself where a region has one; otherwise give --stack, or set
MAYFLY_STACK.
Completion: eval "$(_MAYFLY_COMPLETE=bash_source mayfly)" (or zsh_source)"""


@click.group(
    "mayfly", cls=Sections, context_settings=SETTINGS, no_args_is_help=False, epilog=EPILOG
)
@click.version_option(package_name="mayfly")
def mayfly() -> None:
    """Give every Buildkite job an EC2 instance of its own: look, change, set up.

    Begin with `mayfly status`; where it shows a note, `mayfly explain` says more. Each command has
    its own --help, with examples.
    """


NOW = (status, explain, jobs, instances, plan)
WRONG = (doctor, launches, logs)
PAST = (waits, cost, changes, report)
TUNING = (get, *CHANGING)
SECRETS = (deploy_key, import_secrets)
DAILY = (*NOW, *WRONG, *PAST, *TUNING, *SECRETS)
"""The commands of every day; the others are for deployments and have targets in the Makefile."""
mayfly.add_section("Look at what goes on", NOW)
mayfly.add_section("Find what is wrong", WRONG)
mayfly.add_section("Look back", PAST)
mayfly.add_section("Read and change a queue's parameters", TUNING)
mayfly.add_section("Give jobs their secrets", SECRETS)
mayfly.add_section("Deploy, try and remove", (agent_release, preflight, first_job, uninstall))
mayfly.add_section(
    "Check assumptions", (check_aws, check_buildkite, check_image, check_policies, check_profiles)
)


def run_command(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status."""
    return run_group(mayfly, arguments)


def main() -> None:
    """Run the command line of this process, and exit with its status."""
    sys.exit(run_command(sys.argv[1:]))
