"""The command line of `mayfly doctor`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, any_queue, of_stack
from mayfly_cli.parameter_types import agent_releases as releases_option


@click.command(
    "doctor",
    cls=Command,
    epilog=examples(
        *("mayfly doctor", "mayfly doctor default", "mayfly doctor --json"),
        ends="0 nothing is wrong, 1 something needs a person",
    ),
)
@any_queue
@releases_option()
@of_stack
def doctor(queue: str | None, agent_releases: str, **options: Any) -> int:
    """Check the health of a stack, and of its account.

    Dispatch's lease, the agent token, alarms, dead letters, values that are not in force, what
    holds queues back, specs, strays, unknown parameters; then what preflight checks, with the
    values of the deployed stacks: network, instance types, quotas, image, keys, agent. It takes at
    most about 15 s after its records. What may not be read is listed, and is no fault.
    """
    from mayfly_cli.doctor.reading import examine

    return answer(lambda connection: examine(connection, agent_releases, queue), options)
