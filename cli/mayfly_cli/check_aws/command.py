"""The command line of `mayfly check-aws`."""

from __future__ import annotations

from typing import Any

import click

from mayfly_cli.command_line import Command

EPILOG = """\
Examples:
  mayfly check-aws --region eu-central-1

The caller needs the rights to create and delete one table with a policy
(mayfly-check-conditions) and one role of the same name, and to assume that
role. The command deletes both at its end.
Exit status: 0 all is held, 1 something is broken, 2 the command could not
begin."""


@click.command("check-aws", cls=Command, epilog=EPILOG)
@click.option("--region", metavar="REGION", help="AWS region.  [default: from the environment]")
def check_aws(**options: Any) -> int:
    """Check that IAM judges requests as the templates need.

    The templates' policies have conditions on DynamoDB requests, and AWS does not state for every
    kind of request which condition keys IAM gets. The command makes an empty table and a role,
    tries one request after the other under a policy with such a condition, and says whether IAM
    allowed it.
    """
    # Imported late: boto3 takes half a second to import.
    from mayfly_cli.check_aws.measuring import run

    return run(**options)
