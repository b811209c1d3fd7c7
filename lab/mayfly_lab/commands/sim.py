"""`mayfly-lab sim`: the shipped loops on a virtual clock, through every fault, seed by seed."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from mayfly_cli.ends import BrokenError
from mayfly_lab.commands import options
from mayfly_lab.commands.chosen import SimChoices
from mayfly_lab.commands.lab_command import LabCommand
from mayfly_lab.commands.option_types import FaultRate, TraceFile, Whole
from mayfly_lab.commands.stopping import Stop
from mayfly_lab.sim.faults import FAULTS, rates

MOST_SEEDS = 1_000_000
LARGEST_SEED = 2**53
_MOST_FAILED = 3
"""Failing seeds after which no more are run: each is looked at in turn."""
SHORTEN_SECONDS = 60.0
"""Longest search for a shorter run, in seconds of real time, for each failing seed."""


def _fault_lines() -> Iterator[str]:
    for fault in FAULTS.values():
        first = f"  {fault.name:<18}{fault.rate:<7g}"
        yield from textwrap.wrap(
            fault.meaning, 79, initial_indent=first, subsequent_indent=" " * 27
        )


EPILOG = "\n".join(
    [
        "Faults, with the rate of each place where one can happen:",
        *_fault_lines(),
        "",
        "Examples:",
        "  mayfly-lab sim --seeds 1000",
        "  mayfly-lab sim --from 4711 --seeds 1 --fault lost-answer=0.05",
        "",
        "Exit status: 0 every invariant held, 1 one did not, 2 an invalid command",
        "line, 130 stopped by a signal.",
    ]
)


@click.command("sim", cls=LabCommand, epilog=EPILOG)
@click.option(
    "--seeds",
    metavar="N",
    type=Whole(1, MOST_SEEDS, "number of seeds"),
    default="1000",
    help="How many seeds to run.",
)
@click.option(
    "--from",
    "first",
    metavar="SEED",
    type=Whole(0, LARGEST_SEED, "seed"),
    default="1",
    help="The first seed.",
)
@click.option(
    "--fault",
    "faults",
    metavar="NAME=RATE",
    type=FaultRate(),
    multiple=True,
    help="The rate of a fault, from 0 to 1; may be repeated. The others keep theirs.",
)
@click.option(
    "--only",
    is_flag=True,
    help="No other faults than those of --fault.",
)
@click.option(
    "--trace",
    metavar="FILE",
    type=TraceFile(),
    help="Let jobs come and last as in this trace, from a place that the seed chooses.",
)
@click.option(
    "--keep",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Let only the events in this file happen, one a line: a shortened run, as printed.",
)
@options.json_option(help="Write what the seeds add up to as JSON too.")
def sim(**chosen: Any) -> int:
    """Run the shipped loops on a virtual clock, through every fault.

    The invariants are checked at each write and at the end. Each seed is one run: queues, jobs,
    operators, EC2, Buildkite and hosts do what the seed says, and the loops of the four functions
    overlap at every call. After some minutes the faults stop, and everything must come to its end.
    Nothing is started, and no call leaves this process.
    """
    return _sim(SimChoices(**chosen))


def _sim(chosen: SimChoices) -> int:
    # Late: --help need not wait for the functions' code.
    from mayfly_lab.sim import show
    from mayfly_lab.sim.plan import Plan
    from mayfly_lab.sim.seeds import Total, run_all, shorten

    kept = None
    if chosen.keep is not None:
        kept = frozenset(chosen.keep.read_text("utf-8").splitlines())
    plan = Plan(rates(chosen.faults, only=chosen.only), chosen.arrivals, kept)
    began, total = time.monotonic(), Total(chosen.first)
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    stop = Stop()
    with stop.listening():
        for result in run_all(seeds, plan, _MOST_FAILED, stop.check):
            total.add(result)
            if total.seeds % 500 == 0:
                click.echo(show.progress(total, chosen.seeds, time.monotonic() - began))
    for line in show.summary(total, time.monotonic() - began):
        click.echo(line)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(_document(total), indent=2) + "\n", "utf-8")
    for result in total.failed[:_MOST_FAILED]:
        short = shorten(result, plan, SHORTEN_SECONDS)
        for line in show.violation(short, chosen.replay):
            click.echo(line)
    if total.failed:
        raise BrokenError(f"{len(total.failed)} of {total.seeds} seeds violate an invariant")
    return 0


def _document(total: Any) -> Mapping[str, Any]:
    return {
        "seeds": total.seeds,
        "calls": total.calls,
        "virtual_seconds": round(total.seconds, 3),
        "jobs": total.jobs,
        "launches": total.launches,
        "faults": dict(sorted(total.faults.items())),
        "violations": {str(each.seed): list(each.violations) for each in total.failed},
    }
