"""The command line of systemd-run, as far as scopes need it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """What is to run in which scope."""

    unit: str
    """Empty: the caller's choice."""
    command: list[str]


def parse(arguments: Sequence[str]) -> Run:
    """Read the arguments; ends the program like systemd-run on what the stand-in does not know."""
    parser = argparse.ArgumentParser(prog="systemd-run", allow_abbrev=False)
    parser.add_argument("--scope", action="store_true", required=True)
    parser.add_argument("-u", "--unit", default="")
    parser.add_argument("-G", "--collect", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    for name in ("--property", "--slice", "--description"):
        parser.add_argument(name)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    found = parser.parse_args(arguments)
    command = found.command[1:] if found.command[:1] == ["--"] else found.command
    if not command:
        parser.error("command line to execute required")
    return Run(found.unit.removesuffix(".scope"), command)
