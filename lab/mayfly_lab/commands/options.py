"""The options that several commands share."""

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
from mayfly_lab.commands.option_types import Delays, OutputFile, QueueParameter, Whole
from mayfly_lab.latency import Latency

Options: TypeAlias = Callable[[Callable[..., int]], Callable[..., int]]

_VERSION = re.compile(r"version v?\d+\.\d+\.\d+")
MOST_HOT = 200
STAND_IN = "stand-in"


def json_option(*names: str, help: str) -> Options:  # noqa: A002 - as click calls it
    """The option for a file that is written besides what is printed."""
    return click.option("--json", *names, metavar="FILE", type=OutputFile(), help=help)


def latency_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option for stated delays."""
    return click.option(
        "--latency",
        metavar="buildkite=TIME,aws=TIME",
        type=Delays(),
        default=Latency(),
        show_default="none",
        help="What every call to Buildkite and to AWS takes besides, as buildkite=100ms,aws=15ms.",
    )(function)


def agent_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option for the agent that machines install."""
    return click.option(
        "--agent",
        metavar="PATH",
        show_default="the one on PATH, else the stand-in",
        help=f"The buildkite-agent that machines install; `{STAND_IN}` for the built-in one.",
    )(function)


def world_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what the lab is like."""
    for option in (
        latency_option,
        agent_option,
        click.option(
            "--parameter",
            "parameters",
            metavar="QUEUE/NAME=VALUE",
            multiple=True,
            type=QueueParameter(),
            help="Set an operator's parameter of a queue before anything starts, as"
            " default/launch/purchase=spot; may be repeated, and goes before --hot.",
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
            help="A queue that Mayfly serves; may be repeated, and the first is where steps go"
            " that name none.",
        ),
    ):
        function = option(function)
    return function


def agent(wanted: str | None) -> Path | None:
    """The agent's program; None for the stand-in.

    Raises:
        UsageError: it is not a program.
    """
    if wanted == STAND_IN:
        return None
    found = shutil.which(wanted or "buildkite-agent")
    if wanted is not None and found is None:
        raise UsageError(f"--agent: {wanted} is not a program; give its path, or `{STAND_IN}`")
    if found is not None and not _tells_its_version(found):
        raise UsageError(f"--agent: {found} does not tell its version, as a buildkite-agent does")
    return Path(found) if found is not None else None


def _tells_its_version(program: str) -> bool:
    try:
        done = subprocess.run(
            (program, "--version"), capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return False
    return done.returncode == 0 and _VERSION.search(done.stdout) is not None
