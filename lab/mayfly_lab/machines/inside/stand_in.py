"""The program behind every stand-in command of a machine."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from mayfly_lab.machines.inside.layout import CONTROL
from mayfly_lab.machines.inside.wire import Wire

TYPE_CHECKING = False  # Not from typing: its import would slow every command.
if TYPE_CHECKING:
    from typing import Any

_CANNOT_RUN = 127
_ASK_AGAIN = 0.05


def main() -> None:
    """Send the call to init, and exit by init's answer; `systemd-run` executes its program."""
    control, *argv = sys.argv[1:]
    if argv[0] == "systemd-run":
        _run_in_scope(control, argv)
    sys.exit(_print(_ask(control, argv)))


def _ask(control: str, argv: list[str], unit: str = "") -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(control)
        wire = Wire(connection)
        caller = {"pid": os.getpid(), "uid": os.getuid()}
        call = {**caller, "argv": argv, "unit": unit, "stdin": _stdin(argv)}
        while True:
            wire.send(call)
            answer = wire.one()
            if not answer["again"]:
                return answer
            time.sleep(_ASK_AGAIN)
            call["waited"] = True


def _stdin(argv: list[str]) -> str:
    """Rules for nft, from standard input, a file or arguments; empty for other commands."""
    if argv[0] != "nft":
        return ""
    for name, value in zip(argv[1:], [*argv[2:], ""]):
        if name in {"-f", "--file"}:
            return sys.stdin.read() if value == "-" else _text(value)
    return " ".join(argv[1:])


def _text(path: str) -> str:
    from pathlib import Path  # A late import: it would slow every command.

    return Path(path).read_text()


def _print(answer: dict[str, Any]) -> int:
    for text, stream in ((answer["out"], sys.stdout), (answer["err"], sys.stderr)):
        if text:
            stream.write(text if text.endswith("\n") else f"{text}\n")
    code: int = answer["exit"]
    return code


def _run_in_scope(control: str, argv: list[str]) -> None:
    """Execute a program in a scope with this pid, environment and open files, as `--scope` does."""
    # Late imports: they would slow every command.
    from mayfly_lab.machines.inside import scope_properties, syscalls, systemd_run

    try:
        request = systemd_run.parse(argv[1:])
    except scope_properties.Refused as refused:
        sys.exit(str(refused))
    command = request.command
    if control == f"/{CONTROL}":
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    else:
        syscalls.adopt_orphans()
    answer = _ask(control, argv, request.unit)
    if answer["exit"]:
        sys.exit(_print(answer))
    # Python ignores these two, and an ignored signal stays ignored after exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - the program takes this pid, so no shell
    except OSError as error:
        sys.stderr.write(f"Failed to execute: {error.strerror}\n")
        sys.exit(_CANNOT_RUN)
