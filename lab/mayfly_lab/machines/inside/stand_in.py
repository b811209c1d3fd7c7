"""What runs under the name of a command that a machine of the lab answers itself."""

from __future__ import annotations

import os
import signal
import socket
import sys

from mayfly_lab.machines.inside.layout import CONTROL
from mayfly_lab.machines.inside.wire import Wire

TYPE_CHECKING = False  # Not from typing: every call of a command would pay for its import.
if TYPE_CHECKING:
    from typing import Any

_CANNOT_RUN = 127


def main() -> None:
    """Have init answer the call, and end as it says; `systemd-run` becomes its program."""
    control, *argv = sys.argv[1:]
    if argv[0] == "systemd-run":
        _run_in_scope(control, argv)
    sys.exit(_print(_ask(control, argv)))


def _ask(control: str, argv: list[str], unit: str = "") -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(control)
        wire = Wire(connection)
        caller = {"pid": os.getpid(), "uid": os.getuid()}
        wire.send({**caller, "argv": argv, "unit": unit, "stdin": _stdin(argv)})
        return wire.one()


def _stdin(argv: list[str]) -> str:
    """The rules that nft is to read; no other command of ours reads anything."""
    if argv[0] != "nft":
        return ""
    for name, value in zip(argv[1:], [*argv[2:], ""]):
        if name in {"-f", "--file"}:
            return sys.stdin.read() if value == "-" else _text(value)
    return " ".join(argv[1:])


def _text(path: str) -> str:
    from pathlib import Path  # Late, for every call of a command pays for what is imported.

    return Path(path).read_text()


def _print(answer: dict[str, Any]) -> int:
    for text, stream in ((answer["out"], sys.stdout), (answer["err"], sys.stderr)):
        if text:
            stream.write(text if text.endswith("\n") else f"{text}\n")
    code: int = answer["exit"]
    return code


def _run_in_scope(control: str, argv: list[str]) -> None:
    """Like systemd-run --scope: the program keeps this pid, this environment and the open files."""
    # Late, for every call of a command pays for what is imported.
    from mayfly_lab.machines.inside import syscalls, systemd_run

    unit, command = systemd_run.parse(argv[1:])
    if control == f"/{CONTROL}":
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    else:
        syscalls.adopt_orphans()
    answer = _ask(control, argv, unit)
    if answer["exit"]:
        sys.exit(_print(answer))
    # Python ignores it, and what is ignored stays so across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the program takes this pid, so no shell
    except OSError as error:
        sys.stderr.write(f"Failed to execute: {error.strerror}\n")
        sys.exit(_CANNOT_RUN)
