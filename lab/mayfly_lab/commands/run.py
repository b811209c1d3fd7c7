"""`mayfly-lab run`: runs a user's own pipeline through the whole system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mayfly_lab.commands import options
from mayfly_lab.commands.chosen import RunChoices
from mayfly_lab.commands.fault_options import FAULTS, faults_option
from mayfly_lab.commands.lab_command import LabCommand
from mayfly_lab.commands.option_types import Answer, Duration, Variable
from mayfly_lab.commands.stopping import Stop
from mayfly_lab.report.logs import Logs

EPILOG = f"""\
Examples:
  mayfly-lab run .buildkite/pipeline.yml --queue default --hot 1
  mayfly-lab run pipeline.yml --env COLOUR=blue --branch release --unblock
  mayfly-lab run pipeline.yml --fault 'machine-dies=*,value=3s'

Exit status: 0 the build passed and every check held, 1 the build failed or is
blocked or a check broke, 2 an invalid command line, 130 stopped by a signal.

{FAULTS}"""


@click.command("run", cls=LabCommand, epilog=EPILOG)
@click.argument("pipeline", metavar="PIPELINE.yml", type=click.Path(path_type=Path))
@click.option(
    "--repo",
    metavar="DIR",
    type=click.Path(path_type=Path),
    show_default="the repository around the pipeline's file, else an empty repository",
    help="The git repository that jobs check out, at its current commit.",
)
@click.option(
    "--branch",
    metavar="NAME",
    show_default="the repository's current branch, else main",
    help="Build this branch; a branch missing in the repository starts at its current commit.",
)
@click.option(
    "--env",
    metavar="NAME=VALUE",
    multiple=True,
    type=Variable(),
    help="Set a variable of the build's environment; may be repeated.",
)
@options.world_options
@click.option("--unblock", is_flag=True, help="Let the build through every block step.")
@click.option(
    "--answer",
    "answers",
    metavar="KEY=VALUE",
    multiple=True,
    type=Answer(),
    help="Answer the field KEY of block steps; may be repeated.",
)
@click.option(
    "--timeout",
    metavar="TIME",
    type=Duration(),
    default="30m",
    help="Cancel the build after this time, for example 90s or 10m.",
)
@click.option(
    "--logs",
    type=click.Choice([str(each) for each in Logs]),
    default=str(Logs.ALL),
    help="Show the logs of these jobs.",
)
@options.json_option(help="Write the report as JSON too.")
@options.html_option
@faults_option
def run(**chosen: Any) -> int:
    """Run a pipeline of yours through the whole system.

    The build goes through all of Mayfly on this machine: a Buildkite emulator, the deployed stacks
    in a local AWS, and a machine of its own for every job. The command prints events as they
    happen, the log of each job at its end, a timeline of each job and machine, and a check of each
    of Mayfly's promises. Nothing leaves this machine, and nothing is left on it.
    """
    return _run(RunChoices(**chosen))


def _run(chosen: RunChoices) -> int:
    # Late imports: they take a second, and --help and errors need not wait.
    from mayfly_lab.commands import source as sources
    from mayfly_lab.commands.internet import require_local

    source = sources.read_source(chosen.pipeline, chosen.repo, chosen.branch)
    given = list(dict.fromkeys(chosen.queues))
    jobs = sources.jobs_of(source, given, dict(chosen.env))
    queues = sources.queues_of(jobs, given)
    configs = {queue: value for queue, name, value in chosen.parameters if name == "agent/config"}
    require_local(chosen.pipeline, source, jobs, configs)
    from mayfly_lab.commands.machines import chosen_ground
    from mayfly_lab.commands.one_build import OneBuild
    from mayfly_lab.commands.world import choices

    stop = Stop()
    with stop.listening():
        wanted = choices(chosen, queues)
        ground, no_namespaces = chosen_ground(chosen.machines)
        stop.check()
        wanted = replace(wanted, ground=ground, traces=True)
        return OneBuild(chosen, source, wanted, no_namespaces, stop).run()
