"""The supervisor's `Machine` on a machine without namespaces.

Without root, the machine has no users, mounts or process table of its own: one user stands for all
users, directories for mounts, and the descendants of the machine's init for the process table.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from mayfly_instance import proc
from mayfly_instance.machine import Machine, Program, Running, Variables
from mayfly_lab.machines.inside import family
from mayfly_lab.machines.inside.layout import INIT_PID, JOB_METADATA
from mayfly_lab.machines.inside.network import connects

_METADATA = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


class DirectoryMachine(Machine):
    """A `Machine` that changes only its own directory."""

    def boot_id(self) -> str:
        """The id of this boot, set by the lab."""
        return (self.places.root / "run/boot_id").read_text("ascii").strip()

    def processes(self) -> list[proc.Process]:
        """The machine's init and its descendants."""
        init = int((self.places.root / INIT_PID).read_text("ascii"))
        members = family.table()
        own = {init, *(member.pid for member in family.descendants(init, members))}
        if family.HAS_PROC:
            return [each for each in proc.read() if each.pid in own]
        return [_process(member) for member in members if member.pid in own]

    def add_user(self, name: str, home: Path) -> None:
        """Create the user's home. There is no user to create."""
        self.make_directory(home, 0o700, name)

    def uid_of(self, user: str) -> int:
        """The id of the one user."""
        del user
        return os.getuid()

    def add_ids(self, user: str, first: int, number: int) -> None:
        """No effect: a machine without namespaces runs no containers."""

    def mount_tmpfs(self, path: Path, size: str, owner: str = "root") -> None:
        """Create a directory in place of a mount."""
        del size
        self.make_directory(path, 0o700, owner)

    def unmount(self, path: Path) -> None:
        """Remove the directory with its content."""
        shutil.rmtree(path)

    def start(self, program: Program) -> Running:
        """Start a program as the one user; a program of another user than root gets jobs' IMDS."""
        environment = dict(program.environment)
        if program.user != "root" and _METADATA in environment:
            environment[_METADATA] = os.environ[JOB_METADATA]
        if environment.get("HOME") == "/root":
            environment["HOME"] = str(self.places.root / "root")
        return super().start(replace(program, user="root", environment=environment))

    def run_as(
        self, user: str, argv: Sequence[str], variables: Variables, stdin: str, seconds: float
    ) -> str:
        """Run a program as the one user."""
        del user
        return self._command(argv, seconds, stdin, variables)

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        """Whether the user's IMDS server accepts connections; False for every other address."""
        service = urlsplit(os.environ[_METADATA])
        if (host, port) != (service.hostname, service.port):
            return False
        door = service if user == "root" else urlsplit(os.environ[JOB_METADATA])
        return connects(door.hostname or "", door.port or 80, seconds)

    def _own(self, path: Path, owner: str) -> None:
        """No effect: one user stands for all."""


def _process(member: family.Member) -> proc.Process:
    return proc.Process(
        pid=member.pid,
        parent=member.parent,
        started=0,
        state="S" if member.alive else "Z",
        name="",
        uid=os.getuid(),
        kernel=False,
        cgroup="",
    )
