"""`mayfly-lab up`: keeps a lab running for any client of AWS and Buildkite."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from itertools import combinations
from typing import Any

import click

from mayfly_cli.ends import UsageError
from mayfly_lab.commands import options
from mayfly_lab.commands.chosen import UpChoices
from mayfly_lab.commands.fault_options import FAULTS, faults_option
from mayfly_lab.commands.lab_command import LabCommand
from mayfly_lab.commands.option_types import Whole
from mayfly_lab.commands.stopping import Stop

DEFAULT_QUEUE = "default"
PORT = Whole(1, 65535, "port")
EPILOG = f"""\
Examples:
  mayfly-lab up
  mayfly-lab up --queue default --queue deploy --hot 1 --json lab.json
  mayfly-lab up --fault 'no-capacity=m7i.*/us-east-1a,for=30s'

Exit status: 0 stopped by a signal, 2 an invalid command line.

{FAULTS}"""


@click.command("up", cls=LabCommand, epilog=EPILOG)
@options.world_options
@click.option(
    "--port-aws",
    metavar="PORT",
    type=PORT,
    default=0,
    show_default="any free port",
    help="Port of the local AWS on 127.0.0.1.",
)
@click.option(
    "--port-buildkite",
    metavar="PORT",
    type=PORT,
    default=0,
    show_default="any free port",
    help="Port of the Buildkite emulator on 127.0.0.1.",
)
@click.option(
    "--port-page",
    metavar="PORT",
    type=PORT,
    default=0,
    show_default="any free port",
    help="Port of the page on 127.0.0.1.",
)
@options.json_option(
    "--ready-file",
    help="Write the printed facts as JSON too, once the lab is ready; removed at the end.",
)
@faults_option
def up(**chosen: Any) -> int:
    """Keep the whole system running for clients of your own.

    Starts all of Mayfly on this machine and stays until Ctrl-C or SIGTERM: a Buildkite emulator,
    the deployed stacks in a local AWS, and machines. Prints lines to paste into a shell: the AWS
    endpoint with an operator's credentials, Buildkite's endpoints and tokens, calls that create and
    show builds, a call that changes the pool, and an agent started by hand, and the address of a
    page that shows queues, jobs and instances as they are. The lab is reachable
    from this machine only, and nothing is left behind.
    """
    return _up(UpChoices(**chosen))


def _up(chosen: UpChoices) -> int:
    ports = {
        "--port-aws": chosen.port_aws,
        "--port-buildkite": chosen.port_buildkite,
        "--port-page": chosen.port_page,
    }
    for (one, port), (other, same) in combinations(ports.items(), 2):
        if port and port == same:
            raise UsageError(f"{one} and {other} are both {port}")
    for option, port in ports.items():
        _require_free(option, port)
    # Late imports: they take a second, and --help and errors need not wait.
    from mayfly_lab.commands.machines import chosen_ground
    from mayfly_lab.commands.open_lab import OpenLab
    from mayfly_lab.commands.world import choices

    queues = list(dict.fromkeys(chosen.queues or (DEFAULT_QUEUE,)))
    stop = Stop()
    with stop.listening():
        wanted = choices(chosen, queues)
        ground, no_namespaces = chosen_ground(chosen.machines)
        stop.check()
        wanted = replace(wanted, ground=ground)
        return OpenLab(chosen, wanted, no_namespaces, stop).run()


def _require_free(option: str, port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise UsageError(f"{option}: port {port}: {why}; choose another") from None
