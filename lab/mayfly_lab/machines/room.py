"""The machine room: boots machines for the local EC2, and cuts their power."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mayfly_lab.contracts import Boot, InstanceView
from mayfly_lab.faults import Fault, Faults
from mayfly_lab.machines import inside
from mayfly_lab.machines.console import Console
from mayfly_lab.machines.ground import Ground, Kind, search_path
from mayfly_lab.machines.inside.layout import JOB_METADATA
from mayfly_lab.machines.inside.plan import Plan
from mayfly_lab.machines.machine import CommandCall, Door, Fittings, Machine
from mayfly_lab.machines.metadata import Metadata, Surroundings
from mayfly_lab.machines.metadata_doors import MetadataDoors

_INSIDE = Path(inside.__path__[0])
_LONGEST_TEMPORARY = 24
"""Most bytes of a temporary path that leave enough for a socket's path below a machine's root."""


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """Settings of all machines."""

    environment: Mapping[str, str]
    """Variables added to the environment of user data, such as AWS_ENDPOINT_URL."""
    account: str
    boot_seconds: float = 1.0
    """From power-on to the start of user data: the time of a kernel and systemd."""
    stop_seconds: float = 2.0
    """Most time for processes to end when the machine shuts down."""
    decoys: bool = True
    """Whether the image has a service that uses the role's credentials."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    """Clock of the metadata services; returns aware times."""


@dataclass(slots=True)
class _Place:
    """The console, calls and machine of one instance; kept while it is off."""

    console: Console = field(default_factory=Console)
    calls: list[CommandCall] = field(default_factory=list)
    machine: Machine | None = None


class Room:
    """Implements `contracts.MachineRoom`. Thread-safe.

    `view` is the EC2 that provides machines' metadata and learns of their end; `doors` are the
    servers of the lab that machines reach on 127.0.0.1.
    """

    def __init__(
        self,
        view: InstanceView,
        ground: Ground,
        config: RoomConfig,
        doors: Sequence[Door],
        faults: Faults,
    ) -> None:
        self._view = view
        self._ground = ground
        self._config = config
        self._doors = doors
        self._faults = faults
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self._home = _home(ground.kind)
        self._programs = _INSIDE
        self._path = ""
        if ground.kind is Kind.DIRECTORY:
            self._copy_programs()
        (self._home / "root").mkdir()

    def boot(self, boot: Boot) -> None:
        """Start a machine, and return at once. A machine that cannot start powers itself off.

        Raises:
            ValueError: the machine of this instance is on.
        """
        with self._lock:
            place = self._places.setdefault(boot.instance_id, _Place())
            if place.machine is not None and place.machine.on:
                raise ValueError(f"{boot.instance_id} is on")
            place.machine = None
            place.console.write(f"mayfly-lab: boot {boot.number}\n".encode())
            if self._strikes("machine-dead", boot):
                place.console.write(b"Kernel panic - not syncing: VFS: Unable to mount root fs\n")
                return
            place.machine = self._make(boot, place)
            place.machine.start()
        self._start_fault_timers(boot, place.machine)

    def cut(self, instance_id: str) -> None:
        """Cut a machine's power. When this returns, no process of the machine is left.

        Raises:
            TimeoutError: a process of the machine does not end.
        """
        with self._lock:
            place = self._places.get(instance_id)
            machine = place.machine if place is not None else None
        if machine is not None:
            machine.cut()

    def console(self, instance_id: str) -> str:
        """The serial console so far, at most its last 64 KB; empty for unknown instances."""
        with self._lock:
            place = self._places.get(instance_id)
        return place.console.text() if place is not None else ""

    def calls(self, instance_id: str) -> list[CommandCall]:
        """Calls of stand-in commands on this machine so far: units, power, packages, rules."""
        with self._lock:
            place = self._places.get(instance_id)
            return list(place.calls) if place is not None else []

    def close(self) -> None:
        """Cut every machine's power, and remove their files. A second call has no effect."""
        with self._lock:
            machines = [place.machine for place in self._places.values() if place.machine]
        for machine in machines:
            machine.cut()
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

    def _make(self, boot: Boot, place: _Place) -> Machine:
        config = self._config
        hostname = f"ip-{boot.private_ip.replace('.', '-')}"
        around = Surroundings(self._view, self._faults, config.account, config.clock)
        alone = self._ground.kind is Kind.DIRECTORY
        metadata = MetadataDoors(Metadata(boot, hostname, around), door_for_jobs=alone)
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
            directory=self._directory(boot),
            namespaces=not alone,
            firewall=self._ground.firewall,
            doors=tuple(door.port for door in self._doors),
            decoys=config.decoys,
        )
        fittings = Fittings(place.console, self._doors, metadata, place.calls)
        went_off = partial(self._view.powered_off, boot.instance_id)
        return Machine(plan, self._ground.user, fittings, went_off)

    def _directory(self, boot: Boot) -> str:
        if self._ground.kind is Kind.NAMESPACES:
            # Each machine mounts its root here, in a mount namespace of its own.
            return str(self._home / "root")
        directory = self._home / boot.instance_id
        directory.mkdir()
        if self._ground.user is not None:
            shutil.chown(directory, self._ground.user, self._ground.user)
        return str(directory)

    def _environment(self, metadata: MetadataDoors) -> dict[str, str]:
        if self._ground.kind is Kind.NAMESPACES:
            return dict(self._config.environment)
        root, job = metadata.urls
        return {
            **self._config.environment,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": root,
            JOB_METADATA: job,
            "PATH": self._path,
        }

    def _start_fault_timers(self, boot: Boot, machine: Machine) -> None:
        """Start a timer for each fault that ends or stops this machine."""
        ends = {"machine-dies": machine.fail, "machine-hangs": machine.hang}
        for name, end in ends.items():
            if fault := self._strikes(name, boot):
                timer = threading.Timer(fault.seconds, end)
                timer.daemon = True
                timer.start()

    def _strikes(self, name: str, boot: Boot) -> Fault | None:
        return self._faults.take(name, boot.instance_id, boot.instance_type)


def _home(kind: Kind) -> Path:
    """Create a directory for machines, with a short path where they share the host's file system.

    Sockets lie below the directory, and their paths may have 107 bytes, on macOS 103.
    """
    usual = tempfile.gettempdir()
    short = kind is not Kind.DIRECTORY or len(usual) <= _LONGEST_TEMPORARY
    return Path(tempfile.mkdtemp(prefix="mayfly-", dir=usual if short else "/tmp"))  # noqa: S108 - mkdtemp makes a private one
