"""What the lab adds to a Debian tree, so that the tree is an image of EC2."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mayfly_lab.machines import inside
from mayfly_lab.machines.inside import doors

FILES = Path(__file__).parent / "overlay"
PROGRAMS = "usr/lib/mayfly-lab"
"""Folder of the package `inside` on the machine."""
DECOY = "amazon-ssm-agent.service"
_UUID = "usr/lib/mayfly-lab/hypervisor-uuid"
_SOURCE = "usr/lib/python3/dist-packages/cloudinit/sources/DataSourceEc2.py"
_LOCAL = "(DataSourceEc2Local, (sources.DEP_FILESYSTEM,)),"
_VENDOR, _OWN = "/lib/systemd/system", "/etc/systemd/system"
_WANTED = (
    ("sysinit.target", _OWN, "mayfly-lab-doors.service"),
    ("multi-user.target", _VENDOR, DECOY),
    ("multi-user.target", _VENDOR, "systemd-networkd.service"),
    ("network-online.target", _VENDOR, "systemd-networkd-wait-online.service"),
    ("local-fs.target", _OWN, "tmp.mount"),
)
"""Target, folder and unit of every unit that starts at boot, beside those that packages enable."""
_UNWANTED = ("apt-daily.timer", "apt-daily-upgrade.timer")
"""Units of Debian that work in the first minutes, and that EC2's images lack."""
_DECOY = f"""\
#!/usr/bin/python3 -IS
import sys
sys.path.insert(0, "/{PROGRAMS}")
sys.argv = ["amazon-ssm-agent", "/"]
from mayfly_lab.machines.inside.decoy import main
main()
"""


def lay(root: Path) -> None:
    """Lay the lab's files over a tree, or into an empty folder that will lie over one.

    They are units, the network's settings, cloud-init's settings, and the decoy.

    Raises:
        OSError: a file cannot be written.
    """
    for source in sorted(path for path in FILES.rglob("*") if path.is_file()):
        _put(root / source.relative_to(FILES), source.read_text())
    programs = root / PROGRAMS / "mayfly_lab/machines/inside"
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(inside.__path__[0], programs, dirs_exist_ok=True, ignore=caches)
    for package in (programs.parent, programs.parents[1]):
        (package / "__init__.py").touch()
    _put(root / "usr/bin/amazon-ssm-agent", _DECOY, 0o755)
    for target, folder, unit in _WANTED:
        _link(root / f"etc/systemd/system/{target}.wants/{unit}", f"{folder}/{unit}")
    for unit in _UNWANTED:
        _link(root / "etc/systemd/system" / unit, os.devnull)
    _put(root / "etc/hostname", "localhost\n")
    _put(root / "etc/machine-id", "")


def adapt_to_nspawn(
    root: Path, environment: Mapping[str, str], ports: Sequence[int], *, decoys: bool
) -> None:
    """Tell a container what a machine with a kernel of its own hears from firmware and kernel.

    Raises:
        OSError: a file cannot be written.
        ValueError: the tree's cloud-init is unknown.
    """
    # There is no disk to check or to mount.
    _put(root / "etc/fstab", "")
    words = " ".join(f'"{name}={value}"' for name, value in environment.items())
    settings = f"[Manager]\nDefaultEnvironment={words}\n"
    _put(root / "etc/systemd/system.conf.d/mayfly-lab.conf", settings)
    _put(root / doors.FILE, doors.WORD + ",".join(str(port) for port in ports))
    if not decoys:
        (root / f"etc/systemd/system/multi-user.target.wants/{DECOY}").unlink()
    _put(root / "etc/cloud/ds-identify.cfg", "policy: enabled\n")
    _put(root / _UUID, "ec2lab\n")
    source = root / _SOURCE
    _put(source, _identified(source.read_text()))


def _identified(source: str) -> str:
    """cloud-init's source for EC2, which a container without DMI can use too.

    cloud-init identifies EC2 by the firmware, which it never reads in a container, or by the
    hypervisor's file. The variant with DHCP of its own depends on the firmware, so it is left out,
    and the variant that starts after the network takes over.
    """
    file = "/sys/hypervisor/uuid"
    if file not in source or _LOCAL not in source:
        raise ValueError(f"cloud-init of this tree has another {_SOURCE}")
    return source.replace(file, f"/{_UUID}").replace(_LOCAL, "")


def _link(link: Path, target: str) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a link of the tree must not lead out of it
    path.write_text(text)
    path.chmod(mode)
