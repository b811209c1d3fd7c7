"""What `provision` may touch."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.ports import Fleet, Machines, Parameters, Roles


@dataclass(frozen=True, slots=True)
class ProvisionPorts:
    """The ports of provision, and whose records it keeps."""

    stack: str
    fleet: Fleet
    machines: Machines
    parameters: Parameters
    roles: Roles
