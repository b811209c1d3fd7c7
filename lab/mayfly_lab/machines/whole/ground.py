"""The ground of whole machines: what they run in, and of which Debian."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mayfly.errors import Misconfigured
from mayfly_lab.machines.whole import overlay, trees
from mayfly_lab.machines.whole.plan import PATH, SUITE, SUITES, How

_NETWORK = {"ip": "iproute2", "dnsmasq": "dnsmasq-base"}
_NEEDED = {
    How.NSPAWN: {"systemd-nspawn": "systemd-container", **_NETWORK},
    How.QEMU: {"qemu-system-x86_64": "qemu-system-x86", **_NETWORK},
}
"""Programs of this host, each with its package in Debian."""


@dataclass(frozen=True, slots=True)
class WholeGround:
    """What whole machines are made of."""

    how: How
    suite: str
    tree: Path | None = None
    """nspawn: the image's tree, which machines share and do not change."""
    disk: trees.Disk | None = None
    """qemu: the image's disk, which machines share and do not change."""
    memory: int = 768
    """qemu: megabytes of a machine."""
    words: tuple[str, ...] = ()
    """Further words of the kernel's command line; nspawn: further options of systemd-nspawn."""

    def __str__(self) -> str:
        what = "systemd-nspawn" if self.how is How.NSPAWN else "qemu"
        return f"whole machines: {SUITES[self.suite]} with its own systemd, in {what}"


def whole_ground(how: How, suite: str = SUITE) -> WholeGround:
    """The ground for machines of this kind; makes the image, if the cache has none: minutes.

    Raises:
        Misconfigured: this host cannot run such machines; the text says why.
        Transient: the image could not be made.
    """
    if reason := obstacle(how):
        raise Misconfigured(reason)
    if how is How.NSPAWN:
        return WholeGround(how, suite, tree=trees.ready(suite))
    with tempfile.TemporaryDirectory(prefix="mayfly-") as directory:
        overlay.lay(Path(directory))
        return WholeGround(how, suite, disk=trees.disk(suite, Path(directory)))


def obstacle(how: How) -> str:
    """Why this host cannot run whole machines, in words for a user; empty where it can."""
    if sys.platform != "linux":
        return f"whole machines need Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "whole machines need root"
    for program, package in _NEEDED[how].items():
        if shutil.which(program, path=PATH) is None:
            return f"whole machines need {program}: apt-get install {package}"
    return ""
