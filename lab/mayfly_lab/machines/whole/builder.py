"""Prepares whole machines for the room."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mayfly.errors import Misconfigured
from mayfly_lab.contracts import Boot
from mayfly_lab.machines.config import RoomConfig
from mayfly_lab.machines.disk import Disk
from mayfly_lab.machines.machine import First
from mayfly_lab.machines.whole.ground import WholeGround
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.plan import WholePlan

_FIRST = "mayfly_lab.machines.whole.power_on"


class WholeMachines:
    """Implements `machine.Builder` for whole machines."""

    job_door = False
    """The machine's own firewall keeps users without rights from the metadata service."""

    def __init__(self, ground: WholeGround, config: RoomConfig, ports: Sequence[int]) -> None:
        self._ground = ground
        self._config = config
        self._ports = tuple(ports)
        self._home = Path(tempfile.mkdtemp(prefix="mayfly-"))

    def first(self, boot: Boot, hostname: str, metadata: Sequence[str], disk: Disk) -> First:
        """The first process of a machine. Name and metadata come to it by its network.

        Raises:
            Misconfigured: a VM was on before. It has no disk that outlives its power.
        """
        del hostname, metadata
        again = disk.written
        if again and self._ground.kind is Kind.VM:
            raise Misconfigured("a VM of the lab boots once: its disk is new each time")
        mount = disk.take_mount()
        tree, system = self._ground.tree, self._ground.disk
        folders = (*self._ground.layers, tree) if tree else ()
        plan = WholePlan(
            instance_id=boot.instance_id,
            kind=self._ground.kind,
            trees=tuple(map(str, folders)),
            image=str(system.image) if system else "",
            kernel=str(system.kernel) if system else "",
            initrd=str(system.initrd) if system else "",
            directory=str(self._home),
            group=f"mayfly-lab-{os.getpid()}-{boot.instance_id}-{boot.number}",
            private_ip=boot.private_ip,
            environment=self._config.environment,
            doors=self._ports,
            decoys=self._config.decoys,
            memory=self._ground.memory,
            words=self._ground.words,
            disk=mount,
            again=again,
        )
        return First(
            instance_id=boot.instance_id,
            argv=(sys.executable, "-m", _FIRST),
            plan=plan.as_message(),
            namespaced=True,
            disk=mount,
        )

    def close(self) -> None:
        """Remove the machines' files. A second call has no effect."""
        if self._home.exists():
            shutil.rmtree(self._home)
