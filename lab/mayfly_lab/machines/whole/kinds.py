"""The kinds of whole machines."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a whole machine runs in."""

    CONTAINER = "container"
    """systemd-nspawn: the kernel of this system, and a systemd of its own."""
    VM = "vm"
    """qemu, without KVM too: a kernel of its own, with cgroup limits, ACPI and a serial console."""
