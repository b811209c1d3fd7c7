"""The machine room: boots machines for the local EC2, and cuts their power."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from mayfly.errors import Misconfigured
from mayfly_lab.contracts import Boot, InstanceView
from mayfly_lab.faults import Fault, Faults
from mayfly_lab.machines.config import RoomConfig
from mayfly_lab.machines.console import Console
from mayfly_lab.machines.disk import Disk
from mayfly_lab.machines.ground import Ground
from mayfly_lab.machines.machine import Builder, CommandCall, Door, Fittings, Machine
from mayfly_lab.machines.metadata import Metadata, Surroundings
from mayfly_lab.machines.metadata_doors import MetadataDoors
from mayfly_lab.machines.ordinary import OrdinaryMachines
from mayfly_lab.machines.whole.builder import WholeMachines
from mayfly_lab.machines.whole.ground import WholeGround


@dataclass(slots=True)
class _Place:
    """The console, calls, disk and machine of one instance; kept while it is off."""

    console: Console = field(default_factory=Console)
    disk: Disk = field(default_factory=Disk)
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
        ground: Ground | WholeGround,
        config: RoomConfig,
        doors: Sequence[Door],
        faults: Faults,
    ) -> None:
        self._view = view
        self._config = config
        self._doors = doors
        self._faults = faults
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self._builder = _builder(ground, config, [door.port for door in doors])

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
            if self._config.consoles is not None:
                name = f"{boot.instance_id}.{boot.number}.log"
                place.console.keep(self._config.consoles / name)
            place.console.write(f"mayfly-lab: boot {boot.number}\n".encode())
            if self._strikes("machine-dead", boot):
                place.console.write(b"Kernel panic - not syncing: VFS: Unable to mount root fs\n")
                return
            try:
                place.machine = self._make(boot, place)
            except Misconfigured as reason:
                # A machine that does not boot stays as it is, like one that panics.
                place.console.write(f"mayfly-lab: {reason}\n".encode())
                return
            place.machine.start()
        self._start_fault_timers(boot, place.machine)

    def press(self, instance_id: str) -> None:
        """Press the power button of a machine: it shuts down, if it is able to."""
        if machine := self._machine(instance_id):
            machine.press()

    def init(self, instance_id: str) -> int | None:
        """Pid, on this host, of the process with which the machine ends; None while it is off."""
        machine = self._machine(instance_id)
        return machine.init if machine is not None and machine.on else None

    def shut_down(self, instance_id: str) -> None:
        """Press a machine's power button, and cut its power if it does not go off in time.

        Raises:
            TimeoutError: a process of the machine does not end even then.
        """
        if machine := self._machine(instance_id):
            machine.shut_down(self._config.off_seconds)

    def cut(self, instance_id: str) -> None:
        """Cut a machine's power. When this returns, no process of the machine is left.

        Raises:
            TimeoutError: a process of the machine does not end.
        """
        if machine := self._machine(instance_id):
            machine.cut()

    def discard(self, instance_id: str) -> None:
        """Delete the disk of a machine that is off; no effect for unknown instances."""
        with self._lock:
            place = self._places.get(instance_id)
        if place is not None:
            place.disk.discard()

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
            places = list(self._places.values())
        for place in places:
            if place.machine is not None:
                place.machine.cut()
            place.console.close()
            place.disk.discard()
        self._builder.close()

    def _machine(self, instance_id: str) -> Machine | None:
        with self._lock:
            place = self._places.get(instance_id)
            return place.machine if place is not None else None

    def _make(self, boot: Boot, place: _Place) -> Machine:
        config, builder = self._config, self._builder
        hostname = f"ip-{boot.private_ip.replace('.', '-')}"
        around = Surroundings(self._view, self._faults, config.account, config.clock)
        service = Metadata(boot, hostname, around)
        metadata = MetadataDoors(service, door_for_jobs=builder.job_door)
        first = builder.first(boot, hostname, metadata.urls, place.disk)
        fittings = Fittings(place.console, self._doors, metadata, place.calls, place.disk)
        return Machine(first, fittings, partial(self._view.powered_off, boot.instance_id))

    def _start_fault_timers(self, boot: Boot, machine: Machine) -> None:
        """Start a timer for each fault that ends or stops this machine."""
        ends = {
            "machine-dies": machine.fail,
            "machine-hangs": machine.hang,
            "power-button": machine.press,
        }
        for name, end in ends.items():
            if fault := self._strikes(name, boot):
                timer = threading.Timer(fault.seconds, end)
                timer.daemon = True
                timer.start()

    def _strikes(self, name: str, boot: Boot) -> Fault | None:
        return self._faults.take(name, boot.instance_id, boot.instance_type)


def _builder(ground: Ground | WholeGround, config: RoomConfig, ports: Sequence[int]) -> Builder:
    if isinstance(ground, Ground):
        return OrdinaryMachines(ground, config, ports)
    return WholeMachines(ground, config, ports)
