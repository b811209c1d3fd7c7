"""`mayfly-lab demo`: the bundled pipelines, with what goes wrong in real life."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from mayfly_cli.ends import BrokenError
from mayfly_lab.commands import options
from mayfly_lab.commands.lab_command import LabCommand
from mayfly_lab.commands.stopping import Stopped

EPILOG = """\
Examples:
  mayfly-lab demo
  mayfly-lab demo --agent stand-in --json report.json

Exit status: 0 all held, 1 something is off, 2 what was asked for makes no
sense, 130 it was stopped."""


@click.command("demo", cls=LabCommand, epilog=EPILOG)
@options.agent_option
@options.json_option(help="Write the report as JSON too.")
def demo(agent: str | None, json: Path | None) -> int:
    """Run the bundled pipelines, and check what was promised.

    Jobs on two queues go through the whole system, with what goes wrong in real life. It tells what
    happens, and checks what Mayfly promises.
    """
    program = options.agent(agent)
    # Late: a second of start-up, which --help need not wait for.
    from mayfly_lab.demo.play import DemoError, play

    with _interrupted():
        try:
            return play(program, json)
        except DemoError as error:
            raise BrokenError(str(error)) from error
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
