"""Parses the command line of systemd-run, for scopes only."""

from __future__ import annotations

import getopt  # Not argparse: its import would slow every start of an agent.
import sys
from collections.abc import Sequence

_FLAGS = ("scope", "collect", "quiet")
_VALUES = ("unit=", "property=", "slice=", "description=")


def parse(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The unit's name (empty when not given) and the command to run in its scope.

    Unknown options end the process, as in systemd-run.
    """
    try:
        given, command = getopt.getopt(list(arguments), "u:Gq", [*_FLAGS, *_VALUES])
    except getopt.GetoptError as error:
        sys.exit(f"systemd-run: {error}")
    options = dict(given)
    if "--scope" not in options:
        sys.exit("systemd-run: a lab machine supports --scope only")
    if not command:
        sys.exit("systemd-run: command line to execute required")
    unit = options.get("--unit", options.get("-u", ""))
    return unit.removesuffix(".scope"), command
