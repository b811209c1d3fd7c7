"""The command `mayfly-lab`: Mayfly on one machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mayfly.errors import Misconfigured
from mayfly_lab.commands import bench, demo, run, up
from mayfly_lab.commands.parser import USAGE_ERROR, Parser, UsageError
from mayfly_lab.commands.stopping import Stopped

STOPPED = 130
COMMANDS = (demo, run, up, bench)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 all is well, 1 something broke, 2 bad usage, 130 stopped."""
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command and answer with its exit code."""
    parser = Parser(
        prog="mayfly-lab", description="Mayfly on one machine: Buildkite, AWS and machines."
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )
    for command in COMMANDS:
        command.add(commands)
    chosen, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands.choices[chosen.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code: int = chosen.execute(chosen)
    except (UsageError, Misconfigured) as error:
        sys.stderr.write(f"mayfly-lab {chosen.command}: {error}\n")
        return USAGE_ERROR
    except Stopped:
        sys.stderr.write("mayfly-lab: stopped; nothing is left behind\n")
        return STOPPED
    except KeyboardInterrupt:  # before there was anything to clear up
        return STOPPED
    return code


if __name__ == "__main__":
    main()
