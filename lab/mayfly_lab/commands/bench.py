"""`mayfly-lab bench`: how long a job waits for a machine that is hot, and where."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.ends import BrokenError
from mayfly_lab.commands import options
from mayfly_lab.commands.chosen import BenchChoices
from mayfly_lab.commands.lab_command import LabCommand
from mayfly_lab.commands.option_types import Duration, Whole
from mayfly_lab.commands.stopping import Stop

MOST_JOBS = 10_000
EPILOG = """\
Examples:
  mayfly-lab bench --jobs 40
  mayfly-lab bench --latency buildkite=100ms,aws=15ms --json figures.json

Exit status: 0 every job passed on a hot machine, 1 one did not, 2 what was
asked for makes no sense, 130 it was stopped. A goal that is missed is told, and
is no error."""


@click.command("bench", cls=LabCommand, epilog=EPILOG)
@click.option("--jobs", metavar="N", type=Whole(1, MOST_JOBS), default="200", help="How many.")
@click.option(
    "--pool",
    metavar="N",
    type=Whole(1, options.MOST_HOT),
    default="20",
    help="Machines that are hot at once.",
)
@click.option(
    "--every",
    metavar="TIME",
    type=Duration(),
    default="1770ms",
    help="From one job to the next, as 700ms.",
)
@options.agent_option
@options.latency_option
@options.json_option(help="Write the figures as JSON too.")
def bench(**chosen: Any) -> int:
    """Measure the way of jobs on hot machines, phase by phase.

    Runs small jobs one after the other on hot machines, with the shipped intervals, and prints
    percentiles of the time from runnable to the command's first output, the share of each phase,
    and what the intervals cost.

    Wants an otherwise idle machine. Jobs that come faster than they run share this machine's cores,
    which those of a real fleet do not.
    """
    return _bench(BenchChoices(**chosen))


def _bench(chosen: BenchChoices) -> int:
    agent = options.agent(chosen.agent)
    # Late: they take a second to import, which --help and errors need not wait for.
    from mayfly_lab.bench.hot import BenchError, Course
    from mayfly_lab.bench.show import bench as measure

    course = Course(chosen.jobs, chosen.pool, chosen.every)
    stop = Stop()
    with stop.listening():
        try:
            measure(course, agent, chosen.latency, chosen.json, stop.wait)
        except BenchError as error:
            raise BrokenError(str(error)) from error
    return 0
