"""Parses the command line of systemd-run, for scopes only."""

from __future__ import annotations

import getopt  # Not argparse: its import would slow every start of an agent.
from collections.abc import Sequence
from dataclasses import dataclass

from mayfly_lab.machines.inside.scope_properties import Properties, Refused
from mayfly_lab.machines.inside.scope_properties import parse as parse_properties

_FLAGS = ("scope", "collect", "quiet")
_VALUES = ("unit=", "property=", "slice=", "description=")


@dataclass(frozen=True)
class Request:
    """A scope to create."""

    unit: str
    """Name without `.scope`; empty when not given."""
    command: Sequence[str]
    properties: Properties


def parse(arguments: Sequence[str]) -> Request:
    """The scope of a command line. Raises Refused, also for unknown options."""
    try:
        given, command = getopt.getopt(list(arguments), "u:p:Gq", [*_FLAGS, *_VALUES])
    except getopt.GetoptError as error:
        raise Refused(f"systemd-run: {error}") from error
    options = dict(given)
    if "--scope" not in options:
        raise Refused("systemd-run: a lab machine supports --scope only")
    if not command:
        raise Refused("systemd-run: command line to execute required")
    unit = options.get("--unit", options.get("-u", ""))
    words = [value for name, value in given if name in {"--property", "-p"}]
    return Request(unit.removesuffix(".scope"), command, parse_properties(words))
