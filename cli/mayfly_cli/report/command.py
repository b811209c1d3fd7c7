"""The command line of `mayfly report`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, any_queue, of_stack, since


@click.command(
    "report",
    cls=Command,
    epilog=examples(
        "mayfly report --html week.html",
        "mayfly report default --since 24h --json",
        ends="0 shown",
    ),
)
@any_queue
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as one HTML file.",
)
@since("7d")
@of_stack
def report(queue: str | None, html: Path | None, lasting: timedelta, **options: Any) -> int:
    """Report queues by hour, failed launches, cost and changes.

    Without --html only a summary is shown; --json has every number of the HTML file. What the
    records do not tell is left out, and the report says what. A closed record is kept for 30 days.
    """
    from mayfly_cli.report.reading import read_report

    return answer(lambda connection: read_report(connection, lasting, queue, html), options)
