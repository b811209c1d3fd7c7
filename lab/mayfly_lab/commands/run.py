"""`mayfly-lab run`: a user's own pipeline through the whole system."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from mayfly_lab.commands import options
from mayfly_lab.commands.fault_options import add_faults
from mayfly_lab.commands.stopping import Stop
from mayfly_lab.report.logs import Logs

DESCRIPTION = """\
Runs a pipeline of yours through all of Mayfly on this machine: a Buildkite emulator, the deployed
stacks in a local AWS, and a machine of its own for every job. Shows what happens, the log of each
job when it has ended, when each job and machine came to which point, and whether what Mayfly
promises held. Nothing leaves this machine, and nothing is left on it.

Exit codes: 0 the build passed and every check held, 1 it failed or is blocked or a check broke,
2 what was asked for makes no sense, 130 it was stopped.
"""
MINUTES = 30.0


def add(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "run",
        help="run a pipeline of yours through the whole system, and check what was promised",
        description=DESCRIPTION,
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("pipeline", metavar="PIPELINE.yml", type=Path, help="the pipeline's file")
    parser.add_argument(
        "--repo",
        metavar="DIR",
        type=Path,
        help="the git repository that jobs check out, at its current commit (default: the one"
        " around the pipeline's file, else an empty one)",
    )
    parser.add_argument(
        "--branch",
        metavar="NAME",
        help="build this branch; one that the repository does not have begins at its current"
        " commit (default: the repository's current branch, else main)",
    )
    parser.add_argument(
        "--env",
        metavar="NAME=VALUE",
        action="append",
        type=options.variable,
        default=[],
        help="a variable of the build's environment; may be repeated",
    )
    options.add_world(parser)
    parser.add_argument(
        "--unblock", action="store_true", help="let the build through every block step"
    )
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=options.duration,
        default=60 * MINUTES,
        help=f"cancel the build when it takes longer, as 90s or 10m (default: {MINUTES:.0f}m)",
    )
    parser.add_argument(
        "--logs",
        choices=[str(each) for each in Logs],
        default=str(Logs.ALL),
        help="whose logs to show (default: all)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the report as JSON too")
    add_faults(parser)


def execute(chosen: argparse.Namespace) -> int:
    """Run the command; its exit code.

    Raises:
        UsageError: what was asked for cannot be done; nothing has started, or is left.
    """
    options.output_file("--json", chosen.json)
    # Late: they take a second to import, which --help and errors need not wait for.
    from mayfly_lab.commands import source as sources

    env = dict(chosen.env)
    source = sources.read_source(chosen.pipeline, chosen.repo, chosen.branch)
    queues = sources.queues_of(source, list(dict.fromkeys(chosen.queues or [])), env)
    from mayfly_lab.commands.one_build import OneBuild
    from mayfly_lab.commands.world import choices
    from mayfly_lab.machines.survey import survey

    stop = Stop()
    with stop.listening():
        wanted = choices(chosen, queues)
        found = survey()
        stop.check()
        wanted = replace(wanted, ground=found.ground)
        return OneBuild(chosen, source, wanted, found.reason, stop).run()
