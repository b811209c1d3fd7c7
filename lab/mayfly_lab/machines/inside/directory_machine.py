"""The supervisor's machine where there is only a directory to give.

Without root there are no users, no mounts and no process table of its own: one user stands for
all, directories for mounts, and what descends from the machine's init for the table.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from mayfly_instance import proc
from mayfly_instance.machine import Machine, Program, Running
from mayfly_lab.machines.inside import family
from mayfly_lab.machines.inside.layout import INIT_PID, JOB_METADATA
from mayfly_lab.machines.inside.network import connects

_METADATA = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


class DirectoryMachine(Machine):
    """Changes nothing but its directory."""

    def boot_id(self) -> str:
        """The id that the lab gave to this boot."""
        return (self.places.root / "run/boot_id").read_text("ascii").strip()

    def processes(self) -> list[proc.Process]:
        """What descends from the machine's init, and that itself."""
        init = int((self.places.root / INIT_PID).read_text("ascii"))
        members = family.table()
        own = {init, *(member.pid for member in family.descendants(init, members))}
        if family.HAS_PROC:
            return [each for each in proc.read() if each.pid in own]
        return [_process(member) for member in members if member.pid in own]

    def add_user(self, name: str, home: Path) -> None:
        """Make the user's home."""
        self.make_directory(home, 0o700, name)

    def mount_tmpfs(self, path: Path, megabytes: int) -> None:
        """Make a directory."""
        del megabytes
        self.make_directory(path, 0o700)

    def unmount(self, path: Path) -> None:
        """Remove the directory with all that is in it."""
        shutil.rmtree(path)

    def start(self, program: Program) -> Running:
        """Start it as the one user; without rights it finds another door to the metadata."""
        environment = dict(program.environment)
        if program.user != "root" and _METADATA in environment:
            environment[_METADATA] = os.environ[JOB_METADATA]
        if environment.get("HOME") == "/root":
            environment["HOME"] = str(self.places.root / "root")
        return super().start(replace(program, user="root", environment=environment))

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        """Whether the user's door to the metadata service is open; there is no other network."""
        service = urlsplit(os.environ[_METADATA])
        if (host, port) != (service.hostname, service.port):
            return False
        door = service if user == "root" else urlsplit(os.environ[JOB_METADATA])
        return connects(door.hostname or "", door.port or 80, seconds)

    def _own(self, path: Path, owner: str) -> None:
        """Nothing to do: one user stands for all."""


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
