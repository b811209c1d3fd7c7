"""Exit statuses and their errors: 0 all is well, 1 something is wrong, 2 no start, 130 stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

WELL = 0
WRONG = 1
USAGE = 2
STOPPED = 130
UNREAD = 141
"""The reader of the output is gone, as after `| head`: what a shell shows for SIGPIPE."""


class UsageError(Exception):
    """The options, the environment or the account do not allow a start. Exit status 2.

    The text says what to do.
    """


class BrokenError(Exception):
    """The command cannot go on. Exit status 1. The text says why and what to do."""


class Stopped(Exception):
    """The user stopped the command. Exit status 130. The text says what became of the work."""


@contextlib.contextmanager
def before_any_change() -> Iterator[None]:
    """Raise BrokenError as UsageError: nothing has changed yet, so the command has not begun."""
    try:
        yield
    except BrokenError as error:
        raise UsageError(str(error)) from error
