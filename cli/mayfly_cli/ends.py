"""How a command ends: 0 all is well, 1 something is wrong, 2 it could not begin, 130 stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

WELL = 0
WRONG = 1
USAGE = 2
STOPPED = 130


class UsageError(Exception):
    """What was given cannot be worked with; the text says what to do. Ends with 2."""


class BrokenError(Exception):
    """It cannot go on; the text says why and what to do. Ends with 1."""


class Stopped(Exception):
    """Somebody wants the end; the text says what became of the work. Ends with 130."""


@contextlib.contextmanager
def beginning() -> Iterator[None]:
    """Nothing is made or changed in here: whatever goes wrong, the command could not begin."""
    try:
        yield
    except BrokenError as error:
        raise UsageError(str(error)) from error
