"""Prepares machines that run this host's programs, in namespaces or in a directory."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from mayfly_lab.contracts import Boot
from mayfly_lab.machines import inside
from mayfly_lab.machines.config import RoomConfig
from mayfly_lab.machines.disk import Disk
from mayfly_lab.machines.ground import Ground, Kind, search_path
from mayfly_lab.machines.inside.layout import JOB_METADATA
from mayfly_lab.machines.inside.plan import Plan, starting
from mayfly_lab.machines.machine import First

_INSIDE = Path(inside.__path__[0])
_LONGEST_TEMPORARY = 24
"""Most bytes of a temporary path that leave enough for a socket's path below a machine's root."""


class OrdinaryMachines:
    """Implements `machine.Builder` for a ground of this host's programs."""

    def __init__(self, ground: Ground, config: RoomConfig, ports: Sequence[int]) -> None:
        self._ground = ground
        self._config = config
        self._ports = tuple(ports)
        self._home = _home(ground.kind)
        self._programs = _INSIDE
        self._path = ""
        if ground.kind is Kind.DIRECTORY:
            self._copy_programs()
        (self._home / "root").mkdir()

    @property
    def job_door(self) -> bool:
        """Whether users without rights have a metadata server of their own."""
        return self._ground.kind is Kind.DIRECTORY

    def first(self, boot: Boot, hostname: str, metadata: Sequence[str], disk: Disk) -> First:
        """The first process of a machine; `metadata` are the URLs of its metadata servers."""
        config, again = self._config, disk.written
        mount = disk.take_mount()
        plan = Plan(
            instance_id=boot.instance_id,
            boot_id=str(uuid.uuid4()),
            machine_id=uuid.uuid4().hex,
            hostname=hostname,
            private_ip=boot.private_ip,
            user_data=boot.user_data,
            environment=self._environment(metadata),
            on_since=time.monotonic(),
            boot_seconds=config.boot_seconds,
            stop_seconds=config.stop_seconds,
            python=self._ground.python,
            python_prefix=self._ground.python_prefix,
            programs=str(self._programs),
            directory=self._directory(boot, disk),
            namespaces=self._ground.kind is Kind.NAMESPACES,
            firewall=self._ground.firewall,
            doors=self._ports,
            decoys=config.decoys,
            disk=mount,
            again=again,
        )
        return First(
            instance_id=boot.instance_id,
            argv=(plan.python, "-IS", "-c", starting(plan.home, "power_on")),
            plan=plan.as_message(),
            namespaced=plan.namespaces,
            user=self._ground.user,
            disk=mount,
        )

    def close(self) -> None:
        """Remove the machines' files. A second call has no effect."""
        if self._home.exists():
            shutil.rmtree(self._home)

    def _copy_programs(self) -> None:
        """Copy the programs of machines without namespaces to where their user can read them."""
        self._home.chmod(0o711)
        home = self._home / "lab"
        self._programs = home / "mayfly_lab/machines/inside"
        shutil.copytree(_INSIDE, self._programs)
        for package in (home / "mayfly_lab", home / "mayfly_lab/machines"):
            (package / "__init__.py").touch()
        self._path = search_path(self._home / "programs")

    def _directory(self, boot: Boot, disk: Disk) -> str:
        if self._ground.kind is Kind.NAMESPACES:
            # Each machine mounts its root here, in a mount namespace of its own.
            return str(self._home / "root")
        directory = self._home / boot.instance_id
        directory.mkdir(exist_ok=True)
        disk.keep_directory(directory)
        if self._ground.user is not None:
            shutil.chown(directory, self._ground.user, self._ground.user)
        return str(directory)

    def _environment(self, metadata: Sequence[str]) -> dict[str, str]:
        if self._ground.kind is Kind.NAMESPACES:
            return dict(self._config.environment)
        root, job = metadata
        return {
            **self._config.environment,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": root,
            JOB_METADATA: job,
            "PATH": self._path,
        }


def _home(kind: Kind) -> Path:
    """Create a directory for machines, with a short path where they share the host's file system.

    Sockets lie below the directory, and their paths may have 107 bytes, on macOS 103.
    """
    usual = tempfile.gettempdir()
    short = kind is not Kind.DIRECTORY or len(usual) <= _LONGEST_TEMPORARY
    return Path(tempfile.mkdtemp(prefix="mayfly-", dir=usual if short else "/tmp"))  # noqa: S108 - mkdtemp makes a private one
