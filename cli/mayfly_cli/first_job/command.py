"""The command line of `mayfly first-job`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.endpoints import API_TOKEN
from mayfly_cli.operations.options import a_queue
from mayfly_cli.parameter_types import Minutes, api_endpoint

EXAMPLE_REPOSITORY = "https://github.com/buildkite/bash-example.git"
MOST_MINUTES = 1440
EPILOG = f"""\
Examples:
  {API_TOKEN}=… mayfly first-job default --remove
  mayfly first-job default --pipeline my-app --branch main

The token is a user's, with the scopes read_builds, write_builds,
read_build_logs, read_pipelines, write_pipelines, read_clusters and
read_organizations. The command reads it from {API_TOKEN},
or asks for it.
Exit status: 0 the build passed, 1 the build did not pass, 2 the command could
not begin."""


@click.command("first-job", cls=Command, epilog=EPILOG)
@a_queue("The queue to run on.")
@click.option(
    "--organization", metavar="SLUG", help="Needed if the token sees several organisations."
)
@click.option(
    "--pipeline",
    metavar="SLUG",
    help="Run the steps of this pipeline.  [default: a new pipeline, mayfly-first-job]",
)
@click.option("--branch", metavar="NAME", default="main", help="Branch to build.")
@click.option(
    "--repository",
    metavar="URL",
    default=EXAMPLE_REPOSITORY,
    show_default="a public example",
    help="Repository of the new pipeline.",
)
@click.option("--remove", is_flag=True, help="Delete the new pipeline after the build.")
@click.option(
    "--minutes",
    metavar="N",
    type=Minutes(MOST_MINUTES),
    default="15",
    help=f"Cancel the build after this time, at most {MOST_MINUTES}.",
)
@api_endpoint()
def first_job(**options: Any) -> int:
    """Run a first job on a queue, and show its log.

    The command creates a build of one job and follows it to its end. Without --pipeline it creates
    a pipeline in the queue's cluster, or uses the pipeline of an earlier run; the pipeline stays
    for the next run. A pipeline named by --pipeline is not changed: its own steps run.
    """
    # Imported late: the modules that talk to Buildkite take a quarter of a second to import.
    from mayfly_cli.first_job.job import Options, run

    return run(Options(**options))
