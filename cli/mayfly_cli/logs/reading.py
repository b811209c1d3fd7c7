"""Reads the functions' logs, last words and the console, side by side."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import islice
from typing import Any

from mayfly.adapters.aws.boto_errors import code_of
from mayfly.metrics import Service
from mayfly.scrubbing import scrub
from mayfly_cli.ends import UsageError
from mayfly_cli.explain.reading import explain
from mayfly_cli.explain.result import InstanceExplained, JobExplained
from mayfly_cli.logs.result import Logs, Said, in_order, said
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import side_by_side
from mayfly_cli.status.result import Status

MOST = 500
"""Lines of one function that the command shows."""
CONSOLE_LINES = 40
_GONE = ("InvalidInstanceID.NotFound", "IncorrectInstanceState", "UnsupportedOperation")


def read_logs(connection: Connection, what: str, since: timedelta) -> Logs:
    """The lines. Raises UsageError for what is neither one job nor an instance."""
    found = explain(connection, what, since)
    match found:
        case JobExplained(job=job):
            ids = (job.job, *((job.instance,) if job.instance else ()))
        case InstanceExplained(instance=shown):
            ids = tuple(each for each in (shown.instance, shown.job) if each)
        case _:
            lists = "jobs" if isinstance(found, Status) else "explain"
            raise UsageError(
                f"{what!r} is not one job or instance: mayfly {lists} {what} lists them"
            )
    now = connection.clock()
    start = int((now - since).timestamp() * 1000)
    instance = next((each for each in ids if each.startswith("i-")), "")
    # One client before the threads begin: threads may share a client of boto3, but no session.
    client, stack = connection.account.client("logs"), connection.stack
    lines = side_by_side(lambda name: _lines(client, stack, name, ids, start), list(Service))
    return Logs(
        now=now,
        about=ids,
        lines=in_order(each for part in lines for each in part),
        last_words=_last_words(connection, instance) if instance else (),
        console=_console(connection, instance) if instance else (),
        complete=all(len(part) < MOST for part in lines),
    )


def _lines(client: Any, stack: str, name: str, ids: tuple[str, ...], start: int) -> list[Said]:
    # A term that begins with ? is one of several of which a line must have any. Source: CloudWatch
    # Logs user guide, "Filter pattern syntax".
    pattern = " ".join(f'?"{each}"' for each in ids) if len(ids) > 1 else f'"{ids[0]}"'
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{stack}-{name}", startTime=start, filterPattern=pattern
    )
    events = (event for page in pages for event in page["events"])
    return [said(name, event) for event in islice(events, MOST)]


def _last_words(connection: Connection, instance: str) -> tuple[str, ...]:
    client: Any = connection.account.client("logs")
    try:
        answer = client.get_log_events(
            logGroupName=f"/mayfly/{connection.stack}/last-words",
            logStreamName=re.sub("[:*]", "_", instance),
        )
    except client.exceptions.ResourceNotFoundException:
        return ()
    text = "\n".join(str(each["message"]) for each in answer["events"])
    return tuple(scrub(text).splitlines())


def _console(connection: Connection, instance: str) -> tuple[str, ...]:
    client: Any = connection.account.client("ec2")
    try:
        answer = client.get_console_output(InstanceId=instance)
    except client.exceptions.ClientError as error:
        if code_of(error) in _GONE:
            return ()
        raise
    return tuple(scrub(str(answer.get("Output") or "")).splitlines()[-CONSOLE_LINES:])
