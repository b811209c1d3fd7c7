"""The command `mayfly-lab`: Mayfly on one machine."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import click

from mayfly_cli.command_line import SETTINGS, Group, run_group
from mayfly_lab.commands.bench import bench
from mayfly_lab.commands.demo import demo
from mayfly_lab.commands.run import run
from mayfly_lab.commands.sim import sim
from mayfly_lab.commands.up import up

EPILOG = """\
Exit status: 0 success, 1 a build, job or check failed, 2 an invalid command
line, 130 stopped by a signal."""


@click.group(
    "mayfly-lab", cls=Group, context_settings=SETTINGS, no_args_is_help=False, epilog=EPILOG
)
def mayfly_lab() -> None:
    """Mayfly on one machine: Buildkite, AWS and machines."""


for command in (demo, run, up, bench, sim):
    mayfly_lab.add_command(command)


def run_command(arguments: Sequence[str]) -> int:
    """Run a command line. Returns the exit status."""
    return run_group(mayfly_lab, arguments)


def main() -> None:
    """Run the command line of this process, and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        # Labels and logs hold any characters; a terminal's encoding may lack some.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
