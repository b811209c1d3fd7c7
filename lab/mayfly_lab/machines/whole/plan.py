"""The settings that a whole machine gets at power-on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from mayfly_lab.machines.whole.kinds import Kind

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs of the host are looked up."""


@dataclass(frozen=True, slots=True)
class WholePlan:
    """One power-on of one machine, as the lab sends it to the machine's first process."""

    instance_id: str
    kind: Kind
    trees: tuple[str, ...]
    """Containers: the read-only trees of the image, the uppermost first. VMs: empty."""
    image: str
    kernel: str
    initrd: str
    """VMs: the disk, which stays unchanged, and what boots it. Containers: empty."""
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
    """VMs: megabytes."""
    words: tuple[str, ...]
    """Further words of the kernel's command line; containers: options of systemd-nspawn."""
    disk: int | None = None
    """Descriptor of the disk that the boots before have left; None for a new disk."""
    again: bool = False
    """Whether the instance was on before, so that its disk is written already."""

    def as_message(self) -> dict[str, Any]:
        """The plan as JSON content."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """The plan from the content that `as_message` wrote."""
        lists = {name: tuple(message[name]) for name in ("trees", "doors", "words")}
        return cls(**{**message, **lists, "kind": Kind(message["kind"])})
