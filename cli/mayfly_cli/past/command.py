"""The command lines of `mayfly waits`, `mayfly cost` and `mayfly changes`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, any_queue, of_stack, since


@click.command(
    "waits", cls=Command, epilog=examples("mayfly waits --since 7d --by pipeline", ends="0 shown")
)
@any_queue
@click.option(
    "--by", type=click.Choice(["queue", "pipeline"]), default="queue", help="What a row is for."
)
@since("24h")
@of_stack
def waits(queue: str | None, by: str, lasting: timedelta, **options: Any) -> int:
    """Show how long jobs waited, hot and cold.

    A wait is from runnable to an agent's acceptance. Hot: the instance was launched before the job
    was runnable. The last column has the shares of reserving, of placing, and of starting.
    """
    from mayfly_cli.past.reading import read_past
    from mayfly_cli.past.waits import waits_of

    return answer(lambda it: waits_of(read_past(it, lasting, queue), by), options)


@click.command(
    "cost", cls=Command, epilog=examples("mayfly cost --since 7d --by queue", ends="0 shown")
)
@any_queue
@click.option(
    "--by", type=click.Choice(["pipeline", "queue"]), default="pipeline", help="What a row is for."
)
@since("7d")
@of_stack
def cost(queue: str | None, by: str, lasting: timedelta, **options: Any) -> int:
    """Show what instances cost.

    By EC2's list price at the launch, from the binding of a job to its instance's end. Boots and
    waiting for a job are a sum of their own, and so are the volumes of stopped instances. No other
    volumes, no traffic, no discounts.
    """
    from mayfly_cli.past.cost import cost_of
    from mayfly_cli.past.reading import read_past

    return answer(lambda it: cost_of(read_past(it, lasting, queue), by), options)


@click.command(
    "changes",
    cls=Command,
    epilog=examples("mayfly changes --since 7d", "mayfly changes default", ends="0 shown"),
)
@any_queue
@since("24h")
@of_stack
def changes(queue: str | None, lasting: timedelta, **options: Any) -> int:
    """Show what changed, and who did it.

    Parameters with their old and new values, deleted ones too; the specs of queues (what shapes
    their instances), with the cause: a deployment, a parameter, a recycle; each alarm's present
    state; the latest deployment of the stack. With a queue: its own changes, and those of the
    stack.
    """
    from mayfly_cli.past.changes import read_changes

    return answer(lambda connection: read_changes(connection, lasting, queue), options)
