"""The command line of import-secrets."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.completion import queues
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, of_stack
from mayfly_cli.parameter_types import QUEUE_KEY


@click.command(
    "import-secrets",
    cls=Command,
    epilog=examples(
        "mayfly import-secrets s3://acme-buildkite-secrets --queue default --dry-run",
        "mayfly import-secrets s3://acme-buildkite-secrets/app --queue default",
        ends="0 everything is there, 1 something is left to a person",
    ),
)
@click.argument("bucket")
@click.option(
    "--queue",
    metavar="QUEUE",
    type=QUEUE_KEY,
    required=True,
    shell_complete=queues,
    help="The queue whose jobs get the secrets.",
)
@click.option(
    "--pipeline",
    metavar="SLUG",
    help="The prefix is this pipeline's folder.  [default: see the guide]",
)
@click.option("--overwrite", is_flag=True, help="Replace parameters that have another value.")
@click.option("--dry-run", is_flag=True, help="Show what goes where, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@of_stack
def import_secrets(
    bucket: str,
    pipeline: str | None,
    overwrite: bool,
    dry_run: bool,
    yes: bool,
    **options: Any,
) -> int:
    """Bring a secrets bucket to Parameter Store.

    BUCKET is the one of the Elastic CI Stack, s3://bucket or s3://bucket/prefix; it stays as it is.
    Environment files are read, never run: what is more than an assignment is listed for a person. A
    value that is there already and differs stays, unless --overwrite is given.
    """
    from mayfly_cli.import_secrets.importing import Choices
    from mayfly_cli.import_secrets.importing import import_secrets as bring
    from mayfly_cli.operations.running import show

    queue, as_json = options.pop("queue"), bool(options["as_json"])
    if as_json and not (dry_run or yes):
        raise click.UsageError("--json cannot ask: give --yes or --dry-run as well")
    choices = Choices(pipeline, overwrite, dry_run, ask=not yes)
    return answer(
        lambda it: bring(
            it, bucket, queue, choices, tell=lambda plan: show(plan, it.suffix, as_json=False)
        ),
        options,
    )
