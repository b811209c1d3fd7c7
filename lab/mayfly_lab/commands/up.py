"""`mayfly-lab up`: a lab that stays, for any client of AWS and Buildkite."""

from __future__ import annotations

import argparse
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from mayfly_lab.commands import options
from mayfly_lab.commands.fault_options import add_faults
from mayfly_lab.commands.parser import UsageError
from mayfly_lab.commands.stopping import Stop

DESCRIPTION = """\
Starts all of Mayfly on this machine and stays until Ctrl-C or SIGTERM: a Buildkite emulator, the
deployed stacks in a local AWS, and machines. Prints lines that work as they stand in a shell: the
AWS endpoint with an operator's credentials, Buildkite's endpoints and tokens, calls that create and
show builds, one that changes the pool, and an agent started by hand. All of it is reachable from
this machine only, and nothing is left behind.

Exit codes: 0 it was stopped, 2 what was asked for makes no sense.
"""
DEFAULT_QUEUE = "default"


def add(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "up",
        help="start the whole system and leave it running for clients of your own",
        description=DESCRIPTION,
    )
    parser.set_defaults(execute=execute)
    options.add_world(parser)
    for name, what in (("aws", "the local AWS"), ("buildkite", "the Buildkite emulator")):
        parser.add_argument(
            f"--port-{name}",
            metavar="PORT",
            type=options.port,
            default=0,
            help=f"where {what} listens on 127.0.0.1 (default: any free port)",
        )
    parser.add_argument(
        "--json",
        "--ready-file",
        metavar="FILE",
        type=Path,
        help="write what is printed as JSON too, when all is ready; removed at the end",
    )
    add_faults(parser)


def execute(chosen: argparse.Namespace) -> int:
    """Run the command; its exit code.

    Raises:
        UsageError: what was asked for cannot be done; nothing has started, or is left.
    """
    options.output_file("--json", chosen.json)
    if chosen.port_aws and chosen.port_aws == chosen.port_buildkite:
        raise UsageError(f"--port-aws and --port-buildkite are both {chosen.port_aws}")
    _require_free("--port-aws", chosen.port_aws)
    _require_free("--port-buildkite", chosen.port_buildkite)
    # Late: they take a second to import, which --help and errors need not wait for.
    from mayfly_lab.commands.open_lab import OpenLab
    from mayfly_lab.commands.world import choices
    from mayfly_lab.machines.survey import survey

    queues = list(dict.fromkeys(chosen.queues or [DEFAULT_QUEUE]))
    stop = Stop()
    with stop.listening():
        wanted = choices(chosen, queues)
        found = survey()
        stop.check()
        wanted = replace(wanted, ground=found.ground)
        return OpenLab(chosen, wanted, found.reason, stop).run()


def _require_free(option: str, port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise UsageError(f"{option}: port {port}: {why}; choose another") from None
