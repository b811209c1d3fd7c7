"""Runs a command for operators: connection, result, screen; --watch repeats the latter two."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import IO, Protocol

from mayfly_cli.ends import WELL, WRONG
from mayfly_cli.operations.connection import Connection, connect
from mayfly_cli.operations.json_form import text_of
from mayfly_cli.operations.refusals import asking
from mayfly_cli.operations.rendering import console, width_of, write
from mayfly_cli.operations.screen import Document
from mayfly_cli.operations.shared import Shared

_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


class Result(Protocol):
    """What a command found. Frozen; the same value makes screen and JSON."""

    @property
    def needs_person(self) -> bool:
        """Whether somebody has to do something: exit status 1."""

    def document(self) -> Document:
        """What the screen shows."""


def run(make: Callable[[Connection], Result], options: Shared) -> int:
    """Show what `make` finds, and return the exit status."""
    connection = connect(options.stack, options.region)
    while True:
        with asking(connection.stack):
            result = make(connection)
        if options.watch is not None and clears(sys.stdout):
            sys.stdout.write(_CLEAR)
        show(result, connection.suffix, as_json=options.as_json)
        if options.watch is None:
            return WRONG if result.needs_person else WELL
        connection.sleep(options.watch.total_seconds())


def clears(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the screen can be cleared: it is a terminal that knows how to."""
    return stream.isatty() and environment.get("TERM", "dumb") not in {"dumb", "unknown"}


def show(result: Result, suffix: str, *, as_json: bool) -> None:
    """Write the result to stdout, for a screen or as JSON."""
    if as_json:
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        sys.stdout.write(text_of(result, ascii_only=not unicode) + "\n")
    else:
        write(result.document(), console(sys.stdout, width_of(sys.stdout)), suffix)
    sys.stdout.flush()
