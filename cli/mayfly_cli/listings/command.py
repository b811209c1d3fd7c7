"""The command lines of `mayfly jobs`, `mayfly instances` and `mayfly launches`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, any_queue, since, watched


@click.command(
    "jobs",
    cls=Command,
    epilog=examples(
        *("mayfly jobs", "mayfly jobs default --waiting"),
        ends="0 no job waits for a person, 1 one does",
    ),
)
@any_queue
@click.option("--waiting", is_flag=True, help="Only jobs that no agent has yet.")
@watched
def jobs(queue: str | None, waiting: bool, **options: Any) -> int:
    """List jobs: state, instance, and why a job waits.

    Jobs that a queue leaves alone, because their rules do not fit, are listed, too.
    """
    from mayfly_cli.listings.reading import read_jobs

    return answer(lambda it: read_jobs(it, queue, waiting=waiting), options)


@click.command(
    "instances", cls=Command, epilog=examples("mayfly instances default", ends="0 listed")
)
@any_queue
@watched
def instances(queue: str | None, **options: Any) -> int:
    """List instances: state, type, and the job of each.

    Ended instances are not listed; `mayfly explain i-…` finds them for 30 days.
    """
    from mayfly_cli.listings.reading import read_instances

    return answer(lambda it: read_instances(it, queue), options)


@click.command(
    "launches",
    cls=Command,
    epilog=examples(
        *("mayfly launches", "mayfly launches default --failed --since 1d"), ends="0 listed"
    ),
)
@any_queue
@click.option("--failed", is_flag=True, help="Only launches with a failure.")
@since("1h")
@watched
def launches(queue: str | None, failed: bool, lasting: timedelta, **options: Any) -> int:
    """List recent launches, and why instances failed.

    An instance that ended before it was ready has failed; `mayfly logs i-…` shows its last words.
    """
    from mayfly_cli.listings.reading import read_launches

    return answer(lambda it: read_launches(it, queue, lasting, failed=failed), options)
