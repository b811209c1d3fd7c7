"""What the trees and disks of whole machines are made of, and how."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent

SUITES = ("bookworm", "trixie")
"""Debian 12 (systemd 252, cloud-init 22.4) and Debian 13 (systemd 257, cloud-init 25.1)."""

_SYSTEM = (
    "systemd",
    "systemd-sysv",
    "systemd-resolved",
    "dbus",
    "libpam-systemd",
    "udev",
    "kmod",
    "procps",
    "passwd",
    "sudo",
    "iproute2",
    "cloud-init",
    "cloud-guest-utils",
    "isc-dhcp-client",
    "nftables",
    "git",
    "openssh-client",
    "curl",
    "ca-certificates",
    "python3",
    "initramfs-tools",
    "zstd",
)
_ROOTLESS = (
    "podman",
    "catatonit",
    "uidmap",
    "slirp4netns",
    "passt",
    "fuse-overlayfs",
    "dbus-user-session",
    "busybox-static",
)
"""What a user other than root needs for containers, and a program that is an image by itself."""


@dataclass(frozen=True, slots=True)
class TreeRecipe:
    """How a tree is made. The mirror is not part of the recipe, so a tree outlives its mirror."""

    suite: str
    script: str
    """The text of tree.sh: what runs is what the name was made of, whatever becomes of the file."""
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        """SUITE-DIGEST; changes with each part of the recipe."""
        parts = (self.suite, self.script, *self.packages)
        return f"{self.suite}-{_digest(*map(str.encode, parts))}"

    def command(self, mirror: str, target: Path) -> tuple[str, ...]:
        """The command that makes the tree in `target` from the packages of `mirror`."""
        arguments = (self.suite, mirror, str(target), *self.packages)
        return ("bash", "-c", self.script, "tree.sh", *arguments)


@dataclass(frozen=True, slots=True)
class DiskRecipe:
    """How the disk of a tree is made."""

    tree: TreeRecipe
    script: str
    """The text of disk.sh."""
    overlay: Path
    """A directory whose files are laid over the tree."""

    @property
    def name(self) -> str:
        """SUITE-disk-DIGEST; changes with the tree and each file, mode and link of the overlay."""
        content = _digest(*_content(self.overlay))
        parts = (self.tree.name, self.script, content)
        return f"{self.tree.suite}-disk-{_digest(*map(str.encode, parts))}"

    def command(self, tree: Path, target: Path) -> tuple[str, ...]:
        """The command that makes the disk of `tree` in `target`."""
        arguments = (str(tree), str(self.overlay.resolve()), str(target))
        return ("bash", "-c", self.script, "disk.sh", *arguments)


def tree_recipe(suite: str) -> TreeRecipe:
    """The recipe for the tree of one of `SUITES`."""
    return TreeRecipe(suite, (_HERE / "tree.sh").read_text(), _SYSTEM + _ROOTLESS)


def disk_recipe(suite: str, overlay: Path) -> DiskRecipe:
    """The recipe for the disk of one of `SUITES`."""
    return DiskRecipe(tree_recipe(suite), (_HERE / "disk.sh").read_text(), overlay)


def _content(directory: Path) -> Iterator[bytes]:
    for path in sorted(directory.rglob("*")):
        yield str(path.relative_to(directory)).encode()
        if path.is_symlink():
            yield str(path.readlink()).encode()
        else:
            yield oct(path.stat().st_mode).encode()
            yield path.read_bytes() if path.is_file() else b""


def _digest(*parts: bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        # With its length, so that no two lists of parts give the same bytes.
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()[:12]
