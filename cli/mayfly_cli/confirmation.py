"""The confirmation of a command that changes an account."""

from __future__ import annotations

import sys

from mayfly_cli.ends import UsageError


def confirmed(word: str, purpose: str) -> bool:
    """Ask for the word, and return whether it was typed. `purpose` is a clause, as `launch it`.

    Raises UsageError without a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"no terminal for a confirmation: give --yes to {purpose}")
    sys.stdout.write(f"type {word} to {purpose}: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() == word
