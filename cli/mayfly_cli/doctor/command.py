"""The command line of `mayfly doctor`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, of_stack


@click.command(
    "doctor",
    cls=Command,
    epilog=examples("mayfly doctor --json", ends="0 all is well, 1 it is not"),
)
@of_stack
def doctor(**options: Any) -> int:
    """Check the health of a stack.

    Token, functions, alarms with dead letters among them, values that are not in force, what holds
    queues back, idle instances of an older spec, strays, and unknown parameters.
    """
    from mayfly_cli.doctor.reading import examine

    return answer(examine, options)
