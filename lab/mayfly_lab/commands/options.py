"""The options that several commands share, each read and checked before anything starts."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from mayfly_lab.commands.parser import UsageError
from mayfly_lab.faults import parse_seconds
from mayfly_lab.faults.syntax import FaultSyntaxError
from mayfly_lab.latency import Latency, LatencySyntaxError

_QUEUE = r"[A-Za-z0-9_-]{1,100}"
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_PARAMETER = re.compile(rf"({_QUEUE})/([^=\s]+)=(.+)", re.DOTALL)
_VERSION = re.compile(r"version v?\d+\.\d+\.\d+")
MOST_HOT = 200
STAND_IN = "stand-in"


def add_world(parser: argparse.ArgumentParser) -> None:
    """The options that say what the lab is like."""
    parser.add_argument(
        "--queue",
        metavar="NAME",
        action="append",
        type=queue,
        dest="queues",
        help="a queue that Mayfly serves; may be repeated, and the first is where steps go that"
        " name none",
    )
    parser.add_argument(
        "--hot",
        metavar="N",
        type=whole(0, MOST_HOT),
        help="keep N machines of each queue ready (the parameter pool/hot; default: 0)",
    )
    parser.add_argument(
        "--parameter",
        metavar="QUEUE/NAME=VALUE",
        action="append",
        type=parameter,
        dest="parameters",
        default=[],
        help="set an operator's parameter of a queue before anything starts, as"
        " default/launch/purchase=spot; may be repeated, and goes before --hot",
    )
    add_agent(parser)
    add_latency(parser)


def add_latency(parser: argparse.ArgumentParser) -> None:
    """The option for stated delays."""
    parser.add_argument(
        "--latency",
        metavar="buildkite=TIME,aws=TIME",
        type=latency,
        default=Latency(),
        help="what every call to Buildkite and to AWS takes besides, as buildkite=100ms,aws=15ms"
        " (default: nothing)",
    )


def add_agent(parser: argparse.ArgumentParser) -> None:
    """The option for the agent that machines install."""
    parser.add_argument(
        "--agent",
        metavar="PATH",
        help="the buildkite-agent that machines install; `stand-in` for the built-in one"
        " (default: the one on PATH, else the stand-in)",
    )


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


def output_file(option: str, path: Path | None) -> None:
    """See that a file can be written, without touching it.

    Raises:
        UsageError: it cannot.
    """
    if path is None:
        return
    if not path.parent.is_dir():
        raise UsageError(f"{option}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder; name a file in it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{option}: you may not write {path}")


def queue(text: str) -> str:
    """A queue's key."""
    if not re.fullmatch(_QUEUE, text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a queue: letters, digits, - and _, at most 100"
        )
    return text


def whole(low: int, high: int, what: str = "number") -> Callable[[str], int]:
    """Reads a whole number within these bounds, both of them allowed."""

    def read(text: str) -> int:
        if not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {what} from {low} to {high}")
        return int(text)

    return read


port = whole(1, 65535, "port")
"""A port of this machine."""


def variable(text: str) -> tuple[str, str]:
    """A variable of the build's environment."""
    match = _VARIABLE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return match[1], match[2]


def parameter(text: str) -> tuple[str, str, str]:
    """Queue, name and value of a parameter."""
    match = _PARAMETER.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not QUEUE/NAME=VALUE, as default/launch/purchase=spot"
        )
    return match[1], match[2], match[3]


def latency(text: str) -> Latency:
    """Stated delays."""
    try:
        return Latency.parse(text)
    except LatencySyntaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def duration(text: str) -> float:
    """A time of more than nothing, in seconds."""
    try:
        seconds = parse_seconds(text)
    except FaultSyntaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is no time at all")
    return seconds
