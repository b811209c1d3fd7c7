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
        *("mayfly jobs", "mayfly jobs default --waiting", "mayfly jobs --failed --since 1d"),
        ends="0 no job waits for a person, 1 one does",
    ),
)
@any_queue
@click.option("--waiting", is_flag=True, help="Only jobs that no agent has yet.")
@click.option("--failed", is_flag=True, help="Only jobs that Mayfly or their machine failed.")
@since("1h", help="With --failed: how far back to look.")
@watched
def jobs(queue: str | None, waiting: bool, failed: bool, lasting: timedelta, **options: Any) -> int:
    """List jobs: state, instance, and why a job waits or failed.

    Jobs that a queue leaves alone, because their rules do not fit, are listed, too, and so are
    those of the last hour that were denied by the queue's policy, failed because boots or attempts
    failed, or lost with their machine. What a job's own commands did is on its page.
    """
    from mayfly_cli.listings.reading import read_failed_jobs, read_jobs

    if waiting and failed:
        raise click.UsageError("a job that failed waits no more: give --waiting or --failed")
    if failed:
        return answer(lambda it: read_failed_jobs(it, queue, lasting), options)
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
