"""Reads what a report shows, at most so many records of a kind and queue, and writes the file."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mayfly.adapters.dynamodb.records import KEEP_CLOSED
from mayfly.records.pages import read_all
from mayfly_cli.ends import UsageError
from mayfly_cli.html_report.render import page
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import QueueView, side_by_side
from mayfly_cli.operations.stack_view import view_of
from mayfly_cli.past.changes import MOST as MOST_CHANGES
from mayfly_cli.past.changes import begin_of, events_of, stack_of
from mayfly_cli.past.reading import MOST, volumes_of
from mayfly_cli.report.making import Changed, Kept, report_of
from mayfly_cli.report.result import OperatorReport


def read_report(
    connection: Connection, since: timedelta, queue: str | None, html: Path | None
) -> OperatorReport:
    """The report since then; `html` is the file to write, if any.

    The report begins no earlier than the stack, and than the oldest records that are kept.

    Raises UsageError for an unknown queue, and for a file that cannot be written.
    """
    view = view_of(connection, queue)
    stack = stack_of(connection)
    start = begin_of(stack, view.now - min(since, KEEP_CLOSED), view.now)
    history = connection.history

    def kept(each: QueueView) -> Kept:
        name = each.queue
        return Kept(
            each,
            read_all(lambda after: history.claims(name, start, view.now, after), MOST),
            read_all(lambda after: history.instances(name, start, view.now, after), MOST),
            read_all(lambda after: history.launches(name, start, view.now, after), MOST),
        )

    changes = read_all(lambda after: history.changes(start, view.now, after), MOST_CHANGES)
    events = events_of(connection, stack, changes.records, start)
    changed = Changed(
        parameters={name: each.value for name, each in connection.parameters.all().items()},
        changes=changes,
        events=tuple(each for each in events if each.is_about(queue)),
        volumes=volumes_of(connection, view.queues),
    )
    report = report_of(view, start, side_by_side(kept, view.queues), changed)
    if html is None:
        return report
    try:
        html.write_text(page(report.picture()), "utf-8")
    except OSError as error:
        raise UsageError(f"--html: {html}: {error.strerror}") from error
    return replace(report, file=str(html))
