"""Says why whole machines cannot run on this system; their tests are skipped for that reason."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.obstacles import missing
from mayfly_lab.machines.whole.recipes import SUITES
from mayfly_lab.machines.whole.trees import Trees, here

_NETWORK = {"ip": "iproute2", "dnsmasq": "dnsmasq-base"}
_PROGRAMS = {
    Kind.CONTAINER: {"systemd-nspawn": "systemd-container", **_NETWORK},
    Kind.VM: {"qemu-system-x86_64": "qemu-system-x86", "mkfs.ext4": "e2fsprogs", **_NETWORK},
}


def obstacle(kind: Kind, trees: Trees, suites: Sequence[str] = SUITES) -> str:
    """Why no whole machine of this kind, with these Debians, can run here; empty if each can."""
    for suite in suites:
        if reason := trees.obstacle(suite):
            return reason
    return missing(_PROGRAMS[kind], trees.commands)


if __name__ == "__main__":
    print(obstacle(Kind(sys.argv[1]), here()))
