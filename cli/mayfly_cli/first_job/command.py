"""The command line of `mayfly first-job`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.endpoints import API_ENDPOINT, API_TOKEN
from mayfly_cli.parameter_types import QUEUE_KEY, Address, Minutes

EXAMPLE_REPOSITORY = "https://github.com/buildkite/bash-example.git"
MOST_MINUTES = 1440
EPILOG = f"""\
Examples:
  {API_TOKEN}=… mayfly first-job --queue default --remove
  mayfly first-job --queue default --pipeline my-app --branch main

The token is a user's, with the scopes read_builds, write_builds,
read_build_logs, read_pipelines, write_pipelines, read_clusters and
read_organizations. It is read from {API_TOKEN}, or asked for.
Exit status: 0 the build passed, 1 it did not, 2 it could not begin."""


@click.command("first-job", cls=Command, epilog=EPILOG)
@click.option("--queue", metavar="KEY", type=QUEUE_KEY, required=True, help="The queue to run on.")
@click.option("--organization", metavar="SLUG", help="Needed when the token sees several.")
@click.option(
    "--pipeline",
    metavar="SLUG",
    help="Run the steps of this pipeline.  [default: one that is made, mayfly-first-job]",
)
@click.option("--branch", metavar="NAME", default="main", help="Branch to build.")
@click.option(
    "--repository",
    metavar="URL",
    default=EXAMPLE_REPOSITORY,
    show_default="a public example",
    help="Repository of the pipeline that is made.",
)
@click.option("--remove", is_flag=True, help="Remove a pipeline that was made.")
@click.option(
    "--minutes",
    metavar="N",
    type=Minutes(MOST_MINUTES),
    default="15",
    help=f"Cancel the build after so long, at most {MOST_MINUTES}.",
)
@click.option(
    "--api-endpoint",
    metavar="URL",
    type=Address(API_ENDPOINT),
    default=API_ENDPOINT,
    help="Buildkite's REST API.",
)
def first_job(**options: Any) -> int:
    """Run a first job on a queue, and show its log.

    It creates a build of one job and follows it to its end. It uses a pipeline that is there, or
    makes one in the queue's cluster, which stays for the next time. A pipeline that is named is
    used as it is: its own steps run.
    """
    # Late: what talks to Buildkite takes a quarter of a second to import.
    from mayfly_cli.first_job.job import Chosen, run

    return run(Chosen(**options))
