"""Says why whole machines cannot run on this system; their tests are skipped for that reason."""

from __future__ import annotations

import sys
from enum import StrEnum

from mayfly_lab.machines.whole.obstacles import missing
from mayfly_lab.machines.whole.recipes import SUITES
from mayfly_lab.machines.whole.trees import Trees, here


class Kind(StrEnum):
    """What a whole machine runs in."""

    CONTAINER = "container"
    """systemd-nspawn: the kernel of this system, and a systemd of its own."""
    VM = "vm"
    """qemu, without KVM too: a kernel of its own."""


_NETWORK = {"ip": "iproute2", "dnsmasq": "dnsmasq-base"}
_PROGRAMS = {
    Kind.CONTAINER: {"systemd-nspawn": "systemd-container", **_NETWORK},
    Kind.VM: {"qemu-system-x86_64": "qemu-system-x86", "mkfs.ext4": "e2fsprogs", **_NETWORK},
}


def obstacle(kind: Kind, trees: Trees) -> str:
    """Why no whole machine of this kind can run here; empty if each can."""
    for suite in SUITES:
        if reason := trees.obstacle(suite):
            return reason
    return missing(_PROGRAMS[kind], trees.commands)


if __name__ == "__main__":
    print(obstacle(Kind(sys.argv[1]), here()))
