"""The command line of `mayfly plan`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, any_queue, watched


@click.command(
    "plan",
    cls=Command,
    epilog=examples("mayfly plan default", ends="0 planned, 1 something needs a person"),
)
@any_queue
@watched
def plan(queue: str | None, **options: Any) -> int:
    """Say what the next tick would do, and why not more.

    The shipped decisions run over the records, and nothing is changed. Jobs that are not reserved
    yet are not in the plan, because only Buildkite knows them.
    """
    from mayfly_cli.operations.stack_view import view_of
    from mayfly_cli.plan.result import plan_of

    return answer(lambda connection: plan_of(view_of(connection, queue)), options)
