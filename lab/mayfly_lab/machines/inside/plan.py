"""The settings that a machine gets at power-on."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def starting(home: str, module: str) -> str:
    """Python code for `python3 -c` that runs a module of this package; without single quotes."""
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
    """Time of power-on, by the monotonic clock, which all processes of a host share."""
    boot_seconds: float
    stop_seconds: float
    python: str
    """The interpreter behind the machine's python3."""
    python_prefix: str
    """The interpreter's directory outside the system's own directories; empty for none."""
    programs: str
    """The directory on the host with this package."""
    directory: str
    """With namespaces, an empty directory to mount the root on; else the machine's directory."""
    namespaces: bool
    firewall: bool
    """Whether the machine has the real nft; else it has a stand-in."""
    doors: tuple[int, ...]
    """Ports of the lab's servers on 127.0.0.1, in the order of the sockets sent."""
    decoys: bool
    disk: int | None = None
    """Descriptor of the disk that the boots before have left; None for a new disk."""
    again: bool = False
    """Whether the instance was on before, so that its disk is written already."""

    @property
    def home(self) -> str:
        """The directory on the host from which this package is imported."""
        return str(Path(self.programs).parents[2])

    @property
    def root(self) -> Path:
        """The machine's root directory, as a path for its own processes."""
        return Path("/" if self.namespaces else self.directory)

    def as_message(self) -> dict[str, Any]:
        """The plan as JSON content."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        text = base64.b64encode(self.user_data).decode()
        return {**values, "user_data": text, "environment": dict(self.environment)}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Plan:
        """The plan from the content that `as_message` wrote."""
        user_data = base64.b64decode(message["user_data"])
        return cls(**{**message, "user_data": user_data, "doors": tuple(message["doors"])})
