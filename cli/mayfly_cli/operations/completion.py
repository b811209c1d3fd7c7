"""Words that a shell completes: queues and names of parameters. Only Tab asks AWS."""

from __future__ import annotations

import click


def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of parameters that begin so, and beginnings of names that owners choose."""
    del ctx, param
    from mayfly_cli.operations.parameter_names import FOLDERS, NAMES

    return [name for name in (*NAMES, *FOLDERS) if name.startswith(incomplete)]


def queues(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Keys of queues that begin so; none where the stack cannot be asked, for a shell waits."""
    del param
    from mayfly_cli.ends import UsageError
    from mayfly_cli.operations.connection import connect
    from mayfly_cli.operations.refusals import asking

    try:
        connection = connect(ctx.params.get("stack"), ctx.params.get("region"))
        with asking(connection.stack):
            found = [record.queue for record in connection.records.queues()]
    except UsageError:
        return []
    return [queue for queue in sorted(found) if queue.startswith(incomplete)]
