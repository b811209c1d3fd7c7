"""A whole machine in systemd-nspawn: a writable layer over the image's tree, and the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mayfly_lab.machines.inside import syscalls
from mayfly_lab.machines.whole import overlay
from mayfly_lab.machines.whole.network import CONTAINER
from mayfly_lab.machines.whole.plan import WholePlan

ENVIRONMENT = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
"""A host with cgroups of version 1 would give them to the machine too; EC2's images have 2."""


REBOOTS = 133
"""Exit status of an nspawn whose container reboots; with --keep-unit the caller starts it anew."""


def prepare(plan: WholePlan) -> list[str]:
    """Mount the machine's root. Returns the command that boots the machine.

    Raises:
        OSError: a mount is refused, or the tree is not one that the lab knows.
        ValueError: the tree's cloud-init is unknown.
    """
    root = _mount(plan.trees, Path(plan.directory))
    if not plan.again:
        overlay.lay(root)
        overlay.adapt_to_nspawn(root, plan.environment, plan.doors, decoys=plan.decoys)
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--settings=no",
        f"--directory={root}",
        f"--machine={plan.instance_id}",
        f"--network-interface={CONTAINER}",
        "--console=read-only",
        # No machined and no systemd of the host is asked: the host may have neither.
        "--register=no",
        "--keep-unit",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        # systemd's "power button": poweroff.target.
        "--kill-signal=SIGRTMIN+4",
        *plan.words,
    ]


def _mount(trees: Sequence[str], directory: Path) -> Path:
    """The root: the trees below a layer that is the machine's own. `directory` is its disk."""
    layer = {name: directory / name for name in ("upper", "work", "root")}
    for each in layer.values():
        each.mkdir(exist_ok=True)
    options = f"lowerdir={':'.join(trees)},upperdir={layer['upper']},workdir={layer['work']}"
    syscalls.mount("overlay", str(layer["root"]), "overlay", options=options)
    return layer["root"]
