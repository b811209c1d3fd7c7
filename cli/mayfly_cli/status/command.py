"""The command line of `mayfly status`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, any_queue, watched


@click.command(
    "status",
    cls=Command,
    epilog=examples(
        *("mayfly status", "mayfly status default --watch", "mayfly status --json"),
        ends="0 nothing to do, 1 something needs a person",
    ),
)
@any_queue
@watched
def status(queue: str | None, **options: Any) -> int:
    """Show each queue in one line, and what needs a person.

    HOT and STOPPED are of the pools' targets, OF MAX counts all instances, OLDEST is the longest
    wait of now, P50/P99 are the waits of today's jobs, of at most the latest 500. STOPPED is there
    where a queue has a stopped pool. A note says what holds the queue back, and which entry of a
    schedule is in force; `mayfly explain QUEUE` says more.
    """
    from mayfly_cli.status.reading import read_status

    return answer(lambda connection: read_status(connection, queue), options)
