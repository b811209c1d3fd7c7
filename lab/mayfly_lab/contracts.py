"""The seams of the lab: what the local AWS, the machines and the emulator promise each other."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Keys:
    """Temporary credentials of one principal, as IMDS and STS hand them out."""

    access_key: str
    secret_key: str
    token: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Boot:
    """One power-on of one instance."""

    instance_id: str
    number: int
    """1 for the first boot, 2 after the first stop and start, and so on."""
    user_data: bytes
    image_id: str
    instance_type: str
    architecture: str
    availability_zone: str
    region: str
    private_ip: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServedProfile:
    """What IMDS serves of an instance's role at one moment."""

    profile_arn: str
    profile_id: str
    role_name: str
    keys: Keys


class InstanceView(Protocol):
    """What the metadata service of one instance may ask the local EC2."""

    def profile(self, instance_id: str) -> ServedProfile | None:
        """The profile that IMDS serves now (None: 404); it lags behind the EC2 API."""

    def stale_roles(self, instance_id: str) -> Mapping[str, Keys]:
        """Roles whose credentials are still served by name after a swap, for a stated time."""

    def spot_action(self, instance_id: str) -> datetime | None:
        """When a spot interruption will take the instance; None without a notice."""

    def powered_off(self, instance_id: str) -> None:
        """The operating system has shut down: EC2 stops or terminates by the shutdown behaviour."""


class MachineRoom(Protocol):
    """Where instances become running machines."""

    def boot(self, boot: Boot) -> None:
        """Start a machine; returns at once. A machine that cannot start powers itself off."""

    def cut(self, instance_id: str) -> None:
        """Take the power away: every thing that runs on the machine is gone when this returns."""

    def console(self, instance_id: str) -> str:
        """The serial console so far, at most the last 64 KB."""

    def close(self) -> None:
        """Cut every machine and remove what they left on disk."""


class Listener(Protocol):
    """A server of the lab that can also serve a socket which a machine's namespace has opened."""

    def adopt(self, listening: socket.socket) -> None:
        """Serve this listening socket too, until it is closed."""
