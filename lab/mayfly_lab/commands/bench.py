"""`mayfly-lab bench`: how long a job waits for a machine that is hot, and where."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mayfly_lab.commands import options
from mayfly_lab.commands.stopping import Stop

DESCRIPTION = """\
Runs small jobs one after the other on hot machines, with the shipped intervals, and prints
percentiles of the time from runnable to the command's first output, the share of each phase, and
what the intervals cost. Wants an otherwise idle machine. Jobs that come faster than they run share
this machine's cores, which those of a real fleet do not. Exits with 1 when a job did not pass or
was not on a hot machine; a goal that is missed is told, and is no error.
"""
JOBS, POOL, EVERY = 200, 20, 1.77
MOST_JOBS = 10_000


def add(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "bench",
        help="measure the way of jobs on hot machines, phase by phase",
        description=DESCRIPTION,
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=options.whole(1, MOST_JOBS),
        default=JOBS,
        help=f"how many (default: {JOBS})",
    )
    parser.add_argument(
        "--pool",
        metavar="N",
        type=options.whole(1, options.MOST_HOT),
        default=POOL,
        help=f"machines that are hot at once (default: {POOL})",
    )
    parser.add_argument(
        "--every",
        metavar="TIME",
        type=options.duration,
        default=EVERY,
        help=f"from one job to the next, as 700ms (default: {EVERY * 1000:.0f}ms)",
    )
    options.add_agent(parser)
    options.add_latency(parser)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures as JSON too")


def execute(chosen: argparse.Namespace) -> int:
    """Run the command; its exit code.

    Raises:
        UsageError: the agent is not a program, or the figures cannot be written.
        Stopped: somebody wants the end.
    """
    agent = options.agent(chosen.agent)
    options.output_file("--json", chosen.json)
    # Late: they take a second to import, which --help and errors need not wait for.
    from mayfly_lab.bench.hot import BenchError, Course
    from mayfly_lab.bench.show import bench

    course = Course(chosen.jobs, chosen.pool, chosen.every)
    stop = Stop()
    with stop.listening():
        try:
            bench(course, agent, chosen.latency, chosen.json, stop.wait)
        except BenchError as error:
            sys.stderr.write(f"mayfly-lab bench: {error}\n")
            return 1
    return 0
