"""How the commands read their lines: whole words, errors in one line, help in 100 columns."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

USAGE_ERROR = 2
WIDTH = 100


class UsageError(Exception):
    """What was asked for cannot be done; the message says what is wrong and what to do."""


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and says in one line what is wrong."""

    def __init__(self, **options: object) -> None:
        options = {"allow_abbrev": False, "formatter_class": _Help, **options}
        super().__init__(**options)  # type: ignore[arg-type]  # handed on as they came

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, in one line, and exit with 2."""
        line = " ".join(message.split()).removeprefix("argument ")
        sys.stderr.write(f"{self.prog}: {line} (see {self.prog} --help)\n")
        sys.exit(USAGE_ERROR)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Leaves descriptions as they are written; wraps the help of options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=WIDTH)
