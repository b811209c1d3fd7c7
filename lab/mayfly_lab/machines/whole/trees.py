"""The trees and disks of whole machines: made once for each recipe, then taken from a cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mayfly.errors import Misconfigured, Transient
from mayfly_lab.machines.whole.cache import Cache, cache_directory
from mayfly_lab.machines.whole.commands import Commands, SystemCommands
from mayfly_lab.machines.whole.obstacles import missing, no_rights
from mayfly_lab.machines.whole.recipes import SUITES, disk_recipe, tree_recipe

_BUILD_SECONDS = 900.0
"""The limit of one build, ten times what it takes on two idle cores."""
_LAST_LINES = 20

_TREE_PROGRAMS = {"debootstrap": "debootstrap", "apt-get": "apt"}
_DISK_PROGRAMS = {"mkfs.ext4": "e2fsprogs"}


class Absent(Misconfigured):
    """This system has no such tree or disk, and cannot make it; the text says why."""


class BuildFailed(Transient):
    """A build ended without a result; the text has the end of its log, and the log's place."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What qemu needs for a machine. Machines share these files and must not write to them."""

    image: Path
    """The machine's /dev/vda: an ext4 file system without partitions, 4 GiB, sparse."""
    kernel: Path
    initrd: Path


def ready(suite: str) -> Path:
    """The tree of a machine with this Debian, made now if it is not in the cache.

    Machines share the tree and must not write to it.

    Raises:
        Absent: this system has no such tree, and cannot make it.
        Misconfigured: apt cannot read its own settings.
        Transient: the tree could not be made (BuildFailed), or another process was making one.
    """
    return here().ready(suite)


def disk(suite: str, overlay: Path) -> Disk:
    """The disk of a machine with this Debian: its tree, and over it the files of `overlay`.

    The files of `overlay` become root's and keep their modes.

    Raises:
        Absent, Misconfigured, Transient: as by `ready`.
    """
    return here().disk(suite, overlay)


def here() -> Trees:
    """The trees in the cache of this user, made by the commands of this system."""
    return Trees(Cache(cache_directory(os.environ), _BUILD_SECONDS), SystemCommands())


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees and disks in one cache."""

    cache: Cache
    commands: Commands

    def obstacle(self, suite: str) -> str:
        """Why `ready` would raise Absent; empty if it would not.

        Raises:
            Misconfigured: apt cannot read its own settings.
        """
        if suite not in SUITES:
            return f"no recipe for Debian {suite}; there are {' and '.join(SUITES)}"
        if reason := no_rights(self.commands):
            return reason
        if self.cache.find(tree_recipe(suite).name):
            return ""
        if reason := missing(_TREE_PROGRAMS, self.commands):
            return reason
        if not self.commands.mirror():
            return "apt names no mirror of Debian, or has no lists yet (apt-get update)"
        return ""

    def ready(self, suite: str) -> Path:
        """See the function `ready`."""
        if reason := self.obstacle(suite):
            raise Absent(reason)
        recipe = tree_recipe(suite)

        def make(target: Path, lock: int) -> None:
            self._run(recipe.command(self.commands.mirror(), target), suite, lock)

        return self.cache.find_or_make(suite, recipe.name, make)

    def disk(self, suite: str, overlay: Path) -> Disk:
        """See the function `disk`."""
        tree = self.ready(suite)
        recipe = disk_recipe(suite, overlay)
        made = self.cache.find(recipe.name)
        if not made and (reason := missing(_DISK_PROGRAMS, self.commands)):
            raise Absent(reason)

        def make(target: Path, lock: int) -> None:
            self._run(recipe.command(tree, target), f"{suite}-disk", lock)

        made = self.cache.find_or_make(suite, recipe.name, make)
        return Disk(made / "disk.ext4", made / "vmlinuz", made / "initrd.img")

    def remove(self, suite: str, *, keep_current: bool) -> list[Path]:
        """Remove disks and trees of the suite, but perhaps not today's tree; what was removed.

        A machine that runs on them breaks.

        Raises:
            OSError: a directory could not be removed.
            Transient: another process was making a tree or disk of the suite.
        """
        return self.cache.keep_only(suite, {tree_recipe(suite).name} if keep_current else set())

    def _run(self, command: Sequence[str], what: str, lock: int) -> None:
        log = self.cache.directory / f"{what}.log"
        status = self.commands.run(command, log, lock, _BUILD_SECONDS)
        if status == 0:
            return
        ended = f"with exit status {status}" if status is not None else "out of time"
        lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        raise BuildFailed("\n".join((f"{what}: the build ended {ended}; {log} ends with:", *lines)))
