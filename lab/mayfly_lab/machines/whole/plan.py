"""The settings that a whole machine gets at power-on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
SUITE = "bookworm"
"""The suite of machines for which none is named."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs of the host are looked up."""


class How(StrEnum):
    """What a whole machine runs in."""

    NSPAWN = "whole"
    """systemd-nspawn: the kernel of this host, with a life of a quarter of a minute."""
    QEMU = "qemu"
    """qemu: a kernel of its own, with cgroup limits, ACPI and a serial console; minutes without
    KVM."""


@dataclass(frozen=True, slots=True)
class WholePlan:
    """One power-on of one machine, as the lab sends it to the machine's first process."""

    instance_id: str
    how: str
    """A value of `How`."""
    tree: str
    """nspawn: the read-only tree of the image. qemu: empty."""
    image: str
    kernel: str
    initrd: str
    """qemu: the disk, which stays unchanged, and what boots it. nspawn: empty."""
    directory: str
    """An empty directory, over which the machine's files are mounted."""
    group: str
    """Name of the machine's cgroup, unique on this host."""
    private_ip: str
    environment: Mapping[str, str]
    """Variables of every service."""
    doors: tuple[int, ...]
    """Ports of the lab's servers, in the order of the sockets sent."""
    decoys: bool
    memory: int
    """qemu: megabytes."""
    words: tuple[str, ...]
    """Further words of the kernel's command line; nspawn: of systemd's."""

    def as_message(self) -> dict[str, Any]:
        """The plan as JSON content."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """The plan from the content that `as_message` wrote."""
        lists = {name: tuple(message[name]) for name in ("doors", "words")}
        return cls(**{**message, **lists})
