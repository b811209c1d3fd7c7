"""`mayfly-lab demo`: the bundled pipelines, with what goes wrong in real life."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from mayfly_lab.commands import options
from mayfly_lab.commands.stopping import Stopped

DESCRIPTION = """\
Runs the bundled pipelines through the whole system, tells what happens, and checks what Mayfly
promises. Exits with 1 when anything is off.
"""


def add(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "demo",
        help="run the bundled pipelines through the whole system, and check what was promised",
        description=DESCRIPTION,
    )
    parser.set_defaults(execute=execute)
    options.add_agent(parser)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the report as JSON too")


def execute(chosen: argparse.Namespace) -> int:
    """Run the command; its exit code.

    Raises:
        UsageError: the agent is not a program, or the report cannot be written.
        Stopped: somebody wants the end.
    """
    agent = options.agent(chosen.agent)
    options.output_file("--json", chosen.json)
    # Late: a second of start-up, which --help need not wait for.
    from mayfly_lab.demo.play import DemoError, play

    with _interrupted():
        try:
            return play(agent, chosen.json)
        except DemoError as error:
            sys.stderr.write(f"mayfly-lab: {error}\n")
            return 1
        except KeyboardInterrupt:
            raise Stopped from None


@contextmanager
def _interrupted() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does, and let nothing interrupt what then clears up."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    former = {each: signal.signal(each, interrupt) for each in numbers}
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
