"""Starts programs for init."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mayfly_lab.machines.inside import syscalls

_CANNOT_RUN = 127


@dataclass(frozen=True)
class Command:
    """A program to start, with the arguments of exec(2)."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    output: int
    """Descriptor for output and errors."""
    directory: str = "/"
    group: bool = False
    """Whether the program gets a cgroup namespace, by which its descendants are found."""


def launch(command: Command) -> int:
    """Start a program in a session of its own. Returns its pid once the program runs."""
    begun, beginning = os.pipe()
    pid = os.fork()
    if pid:
        os.close(beginning)
        os.read(begun, 1)  # Its end: exec closes the other side, or the process has failed.
        os.close(begun)
        return pid
    try:
        signal.set_wakeup_fd(-1)
        _become(command)
    finally:
        # The forked process must never return into init's loop.
        os._exit(_CANNOT_RUN)


def _become(command: Command) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, fd in enumerate((nothing, command.output, command.output)):
        os.dup2(fd, number, inheritable=True)
    # Init may have been started with ignored and blocked signals; a service has the defaults.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is not None:  # None: reserved by the C library.
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.chdir(command.directory)
        if command.group:
            syscalls.unshare(syscalls.CLONE_NEWCGROUP)
        environment = {**command.environment, "SYSTEMD_EXEC_PID": str(os.getpid())}
        if "WATCHDOG_USEC" in environment:
            environment["WATCHDOG_PID"] = environment["SYSTEMD_EXEC_PID"]
        os.execvpe(command.argv[0], list(command.argv), environment)  # noqa: S606 - no shell by intention
    except OSError as error:
        os.write(2, f"{command.argv[0]}: {error.strerror}\n".encode())
