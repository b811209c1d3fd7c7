"""The commands of the stand-in."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from . import BUILD, VERSION
from .options import UsageError, resolve, usage


def main(arguments: Sequence[str]) -> int:
    """Run a command line. Returns the exit status."""
    command, rest = (arguments[0], list(arguments[1:])) if arguments else ("", [])
    try:
        return _dispatch(command, rest)
    except UsageError as error:
        print(f"buildkite-agent: fatal: {error}", file=sys.stderr)
        return 1


def _dispatch(command: str, rest: list[str]) -> int:
    # Late imports: jobs start this program several times, and each command needs a part of it.
    if command in {"--version", "-v"}:
        print(f"buildkite-agent version {VERSION}+{BUILD}")
        return 0
    if command in {"--help", "-h", "help", ""} or "--help" in rest:
        print(usage())
        return 0
    if command == "start":
        from .agent import Agent

        return Agent(resolve(rest, os.environ)).run()
    if command == "bootstrap":
        from . import bootstrap

        return bootstrap.main(os.environ)
    return _inside_a_job(command, rest)


def _inside_a_job(command: str, rest: list[str]) -> int:
    if command == "meta-data":
        from . import metadata

        return metadata.main(rest, os.environ)
    if command == "artifact":
        from . import artifact

        return artifact.main(rest, os.environ)
    if command == "annotate":
        from . import annotate

        return annotate.main(rest, os.environ)
    if command == "annotation":
        from . import annotate

        return annotate.remove(rest, os.environ)
    if command == "pipeline":
        from . import pipeline

        return pipeline.main(rest, os.environ)
    raise UsageError(f"this is a stand-in: it has no command {command!r}")
