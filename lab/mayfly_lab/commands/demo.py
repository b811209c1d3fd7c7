"""`mayfly-lab demo`: runs the bundled pipelines, with the failures of real life."""

from __future__ import annotations

from pathlib import Path

import click

from mayfly_cli.ends import BrokenError
from mayfly_lab.commands import options
from mayfly_lab.commands.lab_command import LabCommand
from mayfly_lab.commands.stopping import Stop

EPILOG = """\
Examples:
  mayfly-lab demo
  mayfly-lab demo --agent stand-in --json report.json --html report.html

Exit status: 0 all checks held, 1 a check broke or the demo got stuck, 2 an
invalid command line, 130 stopped by a signal."""


@click.command("demo", cls=LabCommand, epilog=EPILOG)
@options.agent_option
@options.json_option(help="Write the report as JSON too.")
@options.html_option
def demo(agent: str | None, json: Path | None, html: Path | None) -> int:
    """Run the bundled pipelines, and check Mayfly's promises.

    Jobs on three queues go through the whole system, with the failures of real life. The command
    prints events as they happen, and a check of each of Mayfly's promises.
    """
    program = options.agent(agent)
    # A late import: it takes a second, and --help need not wait.
    from mayfly_lab.demo.run import DemoError, run_demo
    from mayfly_lab.report.files import Files

    stop = Stop()
    with stop.listening():
        try:
            return run_demo(program, Files(json, html), stop.wait)
        except DemoError as error:
            raise BrokenError(str(error)) from error
