"""The power supply of a whole machine: pid 1 of the namespace around nspawn or qemu."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any

from mayfly_lab.machines.inside import syscalls
from mayfly_lab.machines.inside.loop import Loop, ended_children
from mayfly_lab.machines.inside.wire import Wire
from mayfly_lab.machines.whole import network, nspawn, qemu
from mayfly_lab.machines.whole.cgroup import Group
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.plan import WholePlan


class Supply:
    """Starts the machine, obeys the lab, and ends with the machine or with the lab."""

    def __init__(self, lab: Wire, plan: WholePlan, group: Group) -> None:
        self._lab = lab
        self._plan = plan
        self._group = group
        self._loop = Loop()
        self._on = True
        self._dhcp: subprocess.Popen[bytes]
        self._argv: list[str]
        self._machine: subprocess.Popen[bytes]

    def run(self) -> None:
        """Run the machine. Returns when it is off; every other process ends with the caller's end.

        Raises:
            OSError: the kernel refuses something, or a program is missing.
            ValueError: the tree is unknown.
        """
        # nspawn and qemu look at the processes of their own namespace.
        syscalls.mount("proc", "/proc", "proc")
        self._dhcp = self._start(network.dhcp_server(self._plan.private_ip))
        vm = self._plan.kind is Kind.VM
        self._argv = qemu.command(self._plan) if vm else nspawn.prepare(self._plan)
        self._boot()
        self._loop.watch(self._lab, self._hear_lab)
        self._lab.send({"event": "up"})
        while self._on:
            self._loop.turn()
            with contextlib.suppress(ChildProcessError):
                for pid, status in ended_children():
                    self._ended(pid, status)

    def _boot(self) -> None:
        self._machine = self._start(self._argv, grouped=True)

    def _start(self, argv: list[str], *, grouped: bool = False) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **nspawn.ENVIRONMENT},
            # Safe: this process has one thread.
            preexec_fn=self._group.enter if grouped else None,  # noqa: PLW1509
        )

    def _ended(self, pid: int, status: int) -> None:
        if pid == self._machine.pid:
            self._on = os.waitstatus_to_exitcode(status) == nspawn.REBOOTS
            if self._on:
                network.build(self._plan.private_ip, tap=False)
                self._boot()
        elif pid == self._dhcp.pid:
            self._say(f"the DHCP server ended, wait status {status}")

    def _say(self, line: str) -> None:
        os.write(2, f"mayfly-lab: {line}\n".encode())

    def _hear_lab(self) -> None:
        try:
            for message, _ in self._lab.receive():
                self._obey(message)
        except (EOFError, ConnectionResetError):
            # The lab has ended, so the machine must not outlive it.
            self._on = False

    def _obey(self, message: dict[str, Any]) -> None:
        match message["do"]:
            case "hang":
                self._group.freeze()
            case "press":
                self._press()

    def _press(self) -> None:
        self._say("the power button is pressed")
        if self._plan.kind is Kind.VM:
            try:
                qemu.press(self._plan.directory)
            except OSError as error:
                self._say(f"the power button does nothing: {error}")
        else:
            self._machine.send_signal(signal.SIGTERM)
