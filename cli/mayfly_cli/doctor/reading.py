"""Reads what the doctor looks at."""

from __future__ import annotations

from mayfly_cli.doctor.result import Health, health
from mayfly_cli.doctor.survey import survey
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.stack_view import view_of


def examine(connection: Connection, releases: str) -> Health:
    """The health of the stack. Without its records there is none; all else is read if it may be.

    `releases` is the address of the agent's releases.
    """
    view = view_of(connection)
    return health(view, connection.records.strays(), survey(connection, view, releases))
