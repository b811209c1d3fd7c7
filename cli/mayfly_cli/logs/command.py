"""The command line of `mayfly logs`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, since, watched


@click.command(
    "logs",
    cls=Command,
    epilog=examples(
        *("mayfly logs i-19fe26ffd2931bdc2", "mayfly logs app/812 --since 2d"), ends="0 shown"
    ),
)
@click.argument("what", metavar="JOB|INSTANCE")
@since("1d")
@watched
def logs(what: str, lasting: timedelta, **options: Any) -> int:
    """Show what functions and host said of a job or instance.

    Lines of the four functions that name the job or instance, in order of time; then the last words
    of a host that failed, and the end of the console while EC2 has one.
    """
    from mayfly_cli.logs.reading import read_logs

    return answer(lambda connection: read_logs(connection, what, lasting), options)
