"""The command `mayfly-lab`: Mayfly on one machine."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 when all is well, 1 when something broke, 2 for bad usage."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and answer with its exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    agent = _agent(parser, chosen.agent)
    if chosen.json is not None and not chosen.json.parent.is_dir():
        parser.error(f"--json: there is no folder {chosen.json.parent}")
    from mayfly_lab.demo.play import DemoError, play  # a second of start-up: not for --help

    try:
        return play(agent, chosen.json)
    except DemoError as error:
        sys.stderr.write(f"mayfly-lab: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("mayfly-lab: stopped\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mayfly-lab", description="Mayfly on one machine: Buildkite, AWS and machines."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="run the bundled pipelines through the whole system, and check what was promised",
        description="Runs the bundled pipelines through the whole system, tells what happens, and"
        " checks what Mayfly promises. Exits with 1 when anything is off.",
    )
    demo.add_argument(
        "--agent",
        metavar="PATH",
        help="the buildkite-agent to use; `stand-in` for the built-in one"
        " (default: the one on PATH, else the stand-in)",
    )
    demo.add_argument("--json", metavar="FILE", type=Path, help="write the report as JSON too")
    return parser


def _agent(parser: argparse.ArgumentParser, wanted: str | None) -> Path | None:
    if wanted == "stand-in":
        return None
    found = shutil.which(wanted or "buildkite-agent")
    if wanted is not None and found is None:
        parser.error(f"--agent: {wanted} is not a program")
    return Path(found) if found is not None else None


if __name__ == "__main__":
    main()
