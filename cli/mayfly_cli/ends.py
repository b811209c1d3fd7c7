"""How a script ends: 0 all is well, 1 something is wrong, 2 it was asked for the impossible."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from mayfly.scrubbing import scrub

WELL = 0
WRONG = 1
USAGE = 2
STOPPED = 130


class UsageError(Exception):
    """What was given cannot be worked with; the text says what to do. Ends with 2."""


class BrokenError(Exception):
    """It cannot go on; the text says why and what to do. Ends with 1."""


@contextlib.contextmanager
def beginning() -> Iterator[None]:
    """Nothing is made or changed in here: whatever goes wrong, the script could not begin."""
    try:
        yield
    except BrokenError as error:
        raise UsageError(str(error)) from error


def ended(name: str, script: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a script; errors are one line, without any secret. Returns the exit status."""
    try:
        return script(arguments)
    except UsageError as error:
        return _told(name, str(error), USAGE)
    except BrokenError as error:
        return _told(name, str(error), WRONG)
    except KeyboardInterrupt:
        return _told(name, "stopped", STOPPED)


def parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser whose help keeps the epilog's lines as they are."""
    return argparse.ArgumentParser(
        prog=name,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _told(name: str, text: str, status: int) -> int:
    line = " ".join(scrub(text).split())
    sys.stderr.write(f"{name}: {line}\n")
    return status
