"""What a machine is told when its power comes on."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def starting(home: str, module: str) -> str:
    """What `python3 -c` runs to be a program of this package; it has no single quotes."""
    find = f"import sys; sys.path.insert(0, {json.dumps(home)})"
    return f"{find}; from mayfly_lab.machines.inside.{module} import main; main()"


@dataclass(frozen=True)
class Plan:
    """One boot of one machine, as the lab sends it over the wire."""

    instance_id: str
    boot_id: str
    machine_id: str
    hostname: str
    private_ip: str
    user_data: bytes
    environment: Mapping[str, str]
    on_since: float
    """When the power came on, by the clock that all programs of a host share (monotonic)."""
    boot_seconds: float
    stop_seconds: float
    python: str
    """The interpreter that is the machine's python3."""
    python_prefix: str
    """A directory that the interpreter needs outside the system's own ones; empty if none."""
    programs: str
    """The directory on the host that holds this package."""
    directory: str
    """Namespaces: an empty directory to mount the root on. Otherwise the machine's directory."""
    namespaces: bool
    firewall: bool
    """Whether the machine has the real nft; otherwise a stand-in takes its place."""
    doors: tuple[int, ...]
    """Ports of the lab that the machine finds on 127.0.0.1, in the order of the sockets sent."""
    decoys: bool

    @property
    def home(self) -> str:
        """The directory on the host from which this package is imported."""
        return str(Path(self.programs).parents[2])

    @property
    def root(self) -> Path:
        """What is `/` to the machine, as its own programs must spell it."""
        return Path("/" if self.namespaces else self.directory)

    def as_message(self) -> dict[str, Any]:
        """The plan as JSON can carry it."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        text = base64.b64encode(self.user_data).decode()
        return {**values, "user_data": text, "environment": dict(self.environment)}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Plan:
        """The plan that `as_message` wrote."""
        user_data = base64.b64decode(message["user_data"])
        return cls(**{**message, "user_data": user_data, "doors": tuple(message["doors"])})
