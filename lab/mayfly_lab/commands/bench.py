"""`mayfly-lab bench`: measures how long jobs wait on hot machines, phase by phase."""

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
MOST_SECRETS = 500
EPILOG = """\
Examples:
  mayfly-lab bench --jobs 40
  mayfly-lab bench --latency buildkite=100ms,aws=15ms --json figures.json

Exit status: 0 every job passed on a hot machine, 1 a job did not, 2 an invalid
command line, 130 stopped by a signal. A missed goal is printed and does not
change the exit status."""


@click.command("bench", cls=LabCommand, epilog=EPILOG)
@click.option(
    "--jobs", metavar="N", type=Whole(1, MOST_JOBS), default="200", help="Number of jobs."
)
@click.option(
    "--pool",
    metavar="N",
    type=Whole(1, options.MOST_HOT),
    default="20",
    help="Machines hot at the start of a round of jobs.",
)
@click.option(
    "--every",
    metavar="TIME",
    type=Duration(),
    default="1770ms",
    help="Time from one job to the next, for example 700ms.",
)
@click.option(
    "--secrets",
    metavar="N",
    type=Whole(0, MOST_SECRETS),
    default="0",
    help="Secrets in each of a job's three folders, with keys and a role; 0: none.",
)
@options.agent_option
@options.machines_option
@options.latency_option
@options.json_option(help="Write the figures as JSON too.")
def bench(**chosen: Any) -> int:
    """Measure how long jobs wait on hot machines, phase by phase.

    Runs small jobs one after the other on hot machines, with the shipped intervals, and prints
    percentiles of the time from runnable to the command's first output, the share of each phase,
    and the cost of the intervals.

    Run the bench on an otherwise idle machine. Jobs that come faster than they run share this
    machine's cores; jobs of a real fleet do not.
    """
    return _bench(BenchChoices(**chosen))


def _bench(chosen: BenchChoices) -> int:
    agent = options.agent(chosen.agent)
    # Late imports: they take a second, and --help and errors need not wait.
    from mayfly_lab.bench.grants import with_grants
    from mayfly_lab.bench.hot import PIPELINE, QUEUE, BenchError, Workload
    from mayfly_lab.bench.show import bench as measure
    from mayfly_lab.commands.machines import chosen_ground
    from mayfly_lab.lab import LabChoices

    workload = Workload(chosen.jobs, chosen.pool, chosen.every, chosen.secrets)
    stop = Stop()
    with stop.listening():
        try:
            ground, _ = chosen_ground(chosen.machines)
            stop.check()
            choices = LabChoices(agent=agent, latency=chosen.latency, ground=ground)
            if chosen.secrets:
                choices = with_grants(choices, QUEUE, PIPELINE)
            measure(workload, choices, chosen.json, stop.wait)
        except BenchError as error:
            raise BrokenError(str(error)) from error
    return 0
