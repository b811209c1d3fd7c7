"""The ground of whole machines: what they run in, and of which Debian."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from mayfly_lab.machines.whole import overlay, trees
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.needs import obstacle
from mayfly_lab.machines.whole.recipes import SUITES

SUITE = SUITES[0]
"""The Debian of machines for which none is named."""
OFF_SECONDS = 120.0
"""Most time for an orderly shutdown; systemd gives each unit 90 s."""
_IN = {Kind.CONTAINER: "systemd-nspawn", Kind.VM: "qemu"}


@dataclass(frozen=True, slots=True)
class WholeGround:
    """What whole machines are made of."""

    kind: Kind
    suite: str
    tree: Path | None = None
    """Containers: the image's tree, which machines share and do not change."""
    layers: tuple[Path, ...] = ()
    """Containers: folders that lie over the tree, the uppermost first: what another image has."""
    disk: trees.Disk | None = None
    """VMs: the image's disk, which machines share and do not change."""
    memory: int = 768
    """VMs: megabytes of a machine."""
    words: tuple[str, ...] = ()
    """VMs: further words of the kernel's command line; containers: options of systemd-nspawn."""

    def __str__(self) -> str:
        return f"whole, Debian {self.suite} with its own systemd, in {_IN[self.kind]}"


def whole_ground(kind: Kind, suite: str = SUITE) -> WholeGround:
    """The ground for machines of this kind; makes the image if the cache has none: minutes.

    Raises:
        Absent: this host cannot run such machines; the text says why.
        Transient: the image could not be made.
    """
    if reason := obstacle(kind, trees.here(), (suite,)):
        raise trees.Absent(reason)
    if kind is Kind.CONTAINER:
        return WholeGround(kind, suite, tree=trees.ready(suite))
    with tempfile.TemporaryDirectory(prefix="mayfly-") as directory:
        overlay.lay(Path(directory))
        return WholeGround(kind, suite, disk=trees.disk(suite, Path(directory)))
