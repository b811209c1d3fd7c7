"""The command line of `mayfly agent-release`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.parameter_types import Word, agent_releases

VERSION = Word(
    "version",
    r"[0-9]+(\.[0-9]+){0,2}",
    "a version of the agent, such as 3.138.3, or its beginning, such as 3.138 or 4",
)
EPILOG = """\
Examples:
  mayfly agent-release
  mayfly agent-release 3.138.3
  mayfly agent-release 4

Exit status: 0 the release was found, 1 the release or its sums cannot be had,
2 the command could not begin."""


@click.command("agent-release", cls=Command, epilog=EPILOG)
@click.argument("version", metavar="[VERSION]", type=VERSION, default="3")
@agent_releases()
def agent_release(**options: Any) -> int:
    """Print the parameters for a release of buildkite-agent.

    The command reads the release's published SHA-256 sums, and prints the parameters of
    template.yaml and of stacks/queue.yaml that pin the release. VERSION may be the beginning of a
    version: the newest stable release that begins so is taken, of v3 without VERSION.
    """
    # Imported late: the HTTP client takes a tenth of a second to import.
    from mayfly_cli.agent_release.parameters import run

    return run(options["version"], options["agent_releases"])
