"""The command line of `mayfly explain`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, queue_option, since, watched


@click.command(
    "explain",
    cls=Command,
    epilog=examples(
        "mayfly explain app/812",
        "mayfly explain 01923f5e-8b7c-4a55-9c1c-2f9d1f3a8b11",
        "mayfly explain i-19fe26ffd2931bdc2",
        ends="0 nothing to do, 1 something needs a person",
    ),
)
@click.argument("what", metavar="JOB|INSTANCE|QUEUE")
@queue_option("The queue.")
@since("1d")
@watched
def explain(what: str, lasting: timedelta, **options: Any) -> int:
    """Say why a job waits, what became of it, and what to do.

    JOB is a UUID, a URL of Buildkite, or pipeline/build; all jobs of a build are listed.
    An instance shows its life and its job. --since is how far back builds are searched.
    """
    from mayfly_cli.explain.reading import explain as find

    return answer(lambda connection: find(connection, what, lasting), options)
