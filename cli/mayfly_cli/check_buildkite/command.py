"""The command line of `mayfly check-buildkite`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.endpoints import AGENT_ENDPOINT, AGENT_TOKEN, API_ENDPOINT, API_TOKEN
from mayfly_cli.parameter_types import QUEUE_KEY, Address

EPILOG = f"""\
Examples:
  export {AGENT_TOKEN}=… {API_TOKEN}=…
  mayfly check-buildkite --queue contract

The queue must be one that no agent and no stack serves: make one for this.
{AGENT_TOKEN} is a token of its cluster; {API_TOKEN} is a
user's, with the scopes write_builds, write_pipelines and read_clusters.
Tokens come from the environment alone, and are never shown.
Exit status: 0 all is held, 1 something is broken, 2 it could not begin."""


@click.command("check-buildkite", cls=Command, epilog=EPILOG)
@click.option(
    "--queue", metavar="KEY", type=QUEUE_KEY, required=True, help="A queue that nobody uses."
)
@click.option("--all", is_flag=True, help="Name what cannot be checked, too.")
@click.option(
    "--agent-endpoint",
    metavar="URL",
    type=Address(AGENT_ENDPOINT, ending="/v3"),
    default=AGENT_ENDPOINT,
    help="Buildkite's agent API.",
)
@click.option(
    "--api-endpoint",
    metavar="URL",
    type=Address(API_ENDPOINT),
    default=API_ENDPOINT,
    help="Buildkite's REST API.",
)
def check_buildkite(**options: Any) -> int:
    """Hold Buildkite itself to what the lab promises.

    It runs the expectations of Mayfly that need nothing but the API; the lab holds its emulator to
    the same ones. Jobs are created on the queue and reserved, finished or cancelled; none runs.
    Everything that was made is taken away again.
    """
    # Late: what talks to Buildkite takes half a second to import.
    from mayfly_cli.check_buildkite.contract import Chosen, run

    return run(Chosen(**options))
