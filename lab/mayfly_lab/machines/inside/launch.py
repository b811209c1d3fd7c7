"""Starting a program from init."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_CANNOT_RUN = 127


@dataclass(frozen=True)
class Command:
    """A program to start: what exec(2) needs."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    output: int
    """Where output and errors go."""
    directory: str = "/"


def launch(command: Command) -> int:
    """Start a program in a session of its own; the answer is its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        _become(command)
    finally:
        # Whatever happens, the copy must never return into init's loop.
        os._exit(_CANNOT_RUN)


def _become(command: Command) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, fd in enumerate((nothing, command.output, command.output)):
        os.dup2(fd, number, inheritable=True)
    # Python ignores SIGPIPE and init more than that; a program expects neither.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(command.directory)
        os.execvpe(command.argv[0], list(command.argv), dict(command.environment))  # noqa: S606 - no shell: that is the point
    except OSError as error:
        os.write(2, f"{command.argv[0]}: {error.strerror}\n".encode())
