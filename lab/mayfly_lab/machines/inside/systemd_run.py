"""The command line of systemd-run, as far as scopes need it."""

from __future__ import annotations

import getopt  # Not argparse: every start of an agent would pay for its import.
import sys
from collections.abc import Sequence

_FLAGS = ("scope", "collect", "quiet")
_VALUES = ("unit=", "property=", "slice=", "description=")


def parse(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The unit's name, empty for the caller's choice, and what is to run in its scope.

    Ends the program like systemd-run on what the stand-in does not know.
    """
    try:
        given, command = getopt.getopt(list(arguments), "u:Gq", [*_FLAGS, *_VALUES])
    except getopt.GetoptError as error:
        sys.exit(f"systemd-run: {error}")
    options = dict(given)
    if "--scope" not in options:
        sys.exit("systemd-run: only --scope is known on a lab machine")
    if not command:
        sys.exit("systemd-run: command line to execute required")
    unit = options.get("--unit", options.get("-u", ""))
    return unit.removesuffix(".scope"), command
