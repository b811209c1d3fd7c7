"""The ports of `provision`."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.ports import Fleet, Machines, Nudges, Parameters, Roles


@dataclass(frozen=True, slots=True)
class ProvisionPorts:
    """The ports of `provision`, and the name of the control plane's stack."""

    stack: str
    fleet: Fleet
    machines: Machines
    parameters: Parameters
    roles: Roles
    reap_nudges: Nudges
