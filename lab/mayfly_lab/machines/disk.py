"""The root disk of an instance: outlives each power-off, until EC2 deletes it with the instance.

With namespaces a disk is a file system in memory that no path on this host shows: the machine
mounts it, and a second mount of it, attached nowhere (open_tree(2)), is held here as an open
descriptor. So the kernel frees the disk with the lab's process, however the lab ends. Without
namespaces a disk is a directory.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path


class Disk:
    """The disk of one instance. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mount: int | None = None
        self._directory: Path | None = None

    @property
    def written(self) -> bool:
        """Whether a machine has had this disk before."""
        with self._lock:
            return self._mount is not None or self._directory is not None

    def take_mount(self) -> int | None:
        """The descriptor to mount the disk by, which now is the caller's; None for a new disk."""
        with self._lock:
            taken, self._mount = self._mount, None
            return taken

    def keep_mount(self, descriptor: int) -> None:
        """Hold the disk by this descriptor until the next power-on."""
        self.discard()
        with self._lock:
            self._mount = descriptor

    def keep_directory(self, directory: Path) -> None:
        """Hold the directory that is the disk."""
        with self._lock:
            self._directory = directory

    def discard(self) -> None:
        """Delete the disk. A second call has no effect."""
        with self._lock:
            mount, self._mount = self._mount, None
            directory, self._directory = self._directory, None
        if mount is not None:
            os.close(mount)
        if directory is not None and directory.exists():
            shutil.rmtree(directory)
