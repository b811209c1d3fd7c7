"""The command line of `mayfly check-buildkite`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.endpoints import AGENT_TOKEN, API_TOKEN
from mayfly_cli.operations.options import a_queue
from mayfly_cli.parameter_types import agent_endpoint, api_endpoint

EPILOG = f"""\
Examples:
  export {AGENT_TOKEN}=… {API_TOKEN}=…
  mayfly check-buildkite contract

Create a queue for this check: no agent and no stack may serve it.
{AGENT_TOKEN} is an agent token of the queue's cluster;
{API_TOKEN} is a user's token with the scopes write_builds,
write_pipelines and read_clusters. The command reads tokens from the
environment only, and never shows them.
Exit status: 0 all is held, 1 something is broken, 2 the command could not
begin."""


@click.command("check-buildkite", cls=Command, epilog=EPILOG)
@a_queue("A queue without agents and jobs.")
@click.option("--all", is_flag=True, help="Also list the expectations that cannot be checked.")
@agent_endpoint(ending="/v3")
@api_endpoint()
def check_buildkite(**options: Any) -> int:
    """Check that Buildkite behaves as the lab's emulator does.

    The command runs Mayfly's expectations of Buildkite that need only the API; the lab checks its
    emulator by the same tests. It creates jobs on the queue and reserves, finishes or cancels
    them; no job runs. At the end it removes everything that it has created.
    """
    # Imported late: the modules that talk to Buildkite take half a second to import.
    from mayfly_cli.check_buildkite.contract import Options, run

    return run(Options(**options))
