"""Options that several commands share."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import click

from mayfly_cli.ends import UsageError
from mayfly_cli.parameter_types import QUEUE_KEY
from mayfly_lab.commands.option_types import (
    Delays,
    OutputFile,
    QueueParameter,
    Role,
    Secret,
    Whole,
    WholeMachines,
)
from mayfly_lab.latency import Latency

Options: TypeAlias = Callable[[Callable[..., int]], Callable[..., int]]

_VERSION = re.compile(r"version v?\d+\.\d+\.\d+")
MOST_HOT = 200
STAND_IN = "stand-in"


def json_option(*names: str, help: str) -> Options:  # noqa: A002 - as click calls it
    """The option `--json`: a file that gets the command's results."""
    return click.option("--json", *names, metavar="FILE", type=OutputFile(), help=help)


def html_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--html`: a file that gets the report as HTML."""
    return click.option(
        "--html",
        metavar="FILE",
        type=OutputFile(),
        help="Write the report as one HTML file too: time lines, tables and checks.",
    )(function)


def latency_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--latency`: delays of calls."""
    return click.option(
        "--latency",
        metavar="buildkite=TIME,aws=TIME",
        type=Delays(),
        default=Latency(),
        show_default="none",
        help="Added delay of every call to Buildkite and AWS, with its unit (ms, s or m), e.g."
        " buildkite=100ms,aws=15ms.",
    )(function)


def agent_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--agent`: the agent that machines install."""
    return click.option(
        "--agent",
        metavar="PATH",
        show_default="buildkite-agent on PATH, else the stand-in",
        help=f"The buildkite-agent that machines install; `{STAND_IN}` for the lab's stand-in.",
    )(function)


def machines_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--machines`: whole machines."""
    return click.option(
        "--machines",
        metavar="whole|qemu[/SUITE]",
        type=WholeMachines(),
        show_default="processes of this host, isolated as well as it allows",
        help="Run jobs on whole machines: a Debian with its own systemd and cloud-init, in"
        " systemd-nspawn (`whole`) or in qemu; /trixie for Debian 13. Needs root.",
    )(function)


def world_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `World`: queues, pool, parameters, agent and delays of the lab."""
    for option in (
        latency_option,
        machines_option,
        agent_option,
        click.option(
            "--parameter",
            "parameters",
            metavar="QUEUE/NAME=VALUE",
            multiple=True,
            type=QueueParameter(),
            help="Set an operator's parameter of a queue before the first tick, for example"
            " default/launch/purchase=spot; may be repeated, and overrides --hot.",
        ),
        click.option(
            "--stack",
            "stacks",
            metavar="QUEUE/NAME=VALUE",
            multiple=True,
            type=QueueParameter(),
            help="Set a parameter of a queue's stack, for example"
            " default/SecretsPath=/vendors/buildkite/default; may be repeated.",
        ),
        click.option(
            "--secret",
            "secrets",
            metavar="NAME=VALUE|@FILE",
            multiple=True,
            type=Secret(),
            help="Put a parameter for jobs into Parameter Store: a SecureString, or a String for a"
            " list of who may have secrets. May be repeated.",
        ),
        click.option(
            "--role",
            "roles",
            metavar="QUEUE=/PATH/NAME",
            multiple=True,
            type=Role(),
            help="Make an IAM role that trusts the queue's sandbox role, for example"
            " default=/ci/app; may be repeated.",
        ),
        click.option(
            "--hot",
            metavar="N",
            type=Whole(0, MOST_HOT),
            default="0",
            help="Keep N machines of each queue ready (the parameter pool/hot).",
        ),
        click.option(
            "--queue",
            "queues",
            metavar="NAME",
            multiple=True,
            type=QUEUE_KEY,
            help="A queue that Mayfly serves; may be repeated. The first queue gets the steps"
            " that name no queue.",
        ),
    ):
        function = option(function)
    return function


def agent(wanted: str | None) -> Path | None:
    """Path of the agent's program; None for the stand-in.

    Raises:
        UsageError: `wanted` is not a program, or the program does not print its version.
    """
    if wanted == STAND_IN:
        return None
    found = shutil.which(wanted or "buildkite-agent")
    if wanted is not None and found is None:
        raise UsageError(f"--agent: {wanted} is not a program; give its path, or `{STAND_IN}`")
    if found is not None and not _tells_its_version(found):
        raise UsageError(f"--agent: {found} --version does not print a buildkite-agent's version")
    return Path(found) if found is not None else None


def _tells_its_version(program: str) -> bool:
    try:
        done = subprocess.run(
            (program, "--version"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return False
    return done.returncode == 0 and _VERSION.search(done.stdout) is not None
