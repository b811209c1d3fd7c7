"""Reads what the doctor looks at."""

from __future__ import annotations

from collections.abc import Sequence

from botocore.exceptions import ClientError

from mayfly_cli.doctor.result import Alarm, Health, health
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.refusals import why_not_asked
from mayfly_cli.operations.stack_view import view_of


def examine(connection: Connection) -> Health:
    """The health of the stack. Alarms that may not be read are a finding, and hide no other."""
    view = view_of(connection)
    return health(
        view, connection.records.strays(), connection.parameters.all(), _alarms(connection)
    )


def _alarms(connection: Connection) -> Sequence[Alarm] | str:
    try:
        return [
            Alarm(each["AlarmName"], each["StateValue"], each.get("StateReason", ""))
            for each in connection.alarms()
        ]
    except ClientError as error:
        return why_not_asked(error, connection.stack)
