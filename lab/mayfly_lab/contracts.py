"""Interfaces between the local AWS, the machines and the emulator."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Keys:
    """Temporary credentials of one principal, as IMDS and STS issue them."""

    access_key: str
    secret_key: str
    token: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Boot:
    """One power-on of one instance."""

    instance_id: str
    number: int
    """1 for the first boot, 2 after the first stop and start, …"""
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
    """The profile, role and credentials that IMDS serves for an instance at one moment."""

    profile_arn: str
    profile_id: str
    role_name: str
    keys: Keys


class InstanceView(Protocol):
    """What the metadata service of an instance can read from the local EC2."""

    def profile(self, instance_id: str) -> ServedProfile | None:
        """The profile that IMDS serves now, later than the EC2 API shows it; None means 404."""

    def stale_roles(self, instance_id: str) -> Mapping[str, Keys]:
        """Credentials by role name of roles that IMDS still serves by name after a swap.

        A stated delay after the swap, a role disappears.
        """

    def spot_action(self, instance_id: str) -> datetime | None:
        """Time of the instance's spot interruption; None without a notice."""

    def powered_off(self, instance_id: str) -> None:
        """Report that the operating system has shut down.

        EC2 stops or terminates the instance by its shutdown behaviour.
        """


class MachineRoom(Protocol):
    """Where instances become running machines."""

    def boot(self, boot: Boot) -> None:
        """Start a machine, and return at once. A machine that cannot start powers itself off."""

    def shut_down(self, instance_id: str) -> None:
        """Press a machine's power button, and cut its power if it does not go off in time.

        When this returns, no process of the machine runs any more.
        """

    def cut(self, instance_id: str) -> None:
        """Cut a machine's power, as a failure does. When this returns, no process of it runs."""

    def discard(self, instance_id: str) -> None:
        """Delete the disk of a machine that is off: EC2 deletes it with the instance."""

    def console(self, instance_id: str) -> str:
        """The serial console so far, at most its last 64 KB."""

    def close(self) -> None:
        """Cut every machine's power, and remove the machines' files."""


class Listener(Protocol):
    """A server of the lab that can also serve a socket opened in a machine's namespace."""

    def adopt(self, listening: socket.socket) -> None:
        """Serve this listening socket too, until it is closed."""
