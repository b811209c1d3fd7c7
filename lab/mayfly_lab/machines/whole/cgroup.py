"""The cgroup of a whole machine, in the unified hierarchy of the host."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
"""Where the machine's first process has the unified hierarchy, whatever the host has there."""
_PATIENCE = 10.0
_LOOK_AGAIN = 0.02


class Group:
    """One cgroup with everything below it."""

    def __init__(self, name: str) -> None:
        self._path = MOUNTED / name

    def make(self) -> None:
        """Create the cgroup. Raises OSError."""
        self._path.mkdir()

    def enter(self) -> None:
        """Move this process into the cgroup. Raises OSError."""
        (self._path / "cgroup.procs").write_text(str(os.getpid()))

    def freeze(self) -> None:
        """Stop every process of the cgroup without ending it. Raises OSError."""
        (self._path / "cgroup.freeze").write_text("1")

    def remove(self) -> None:
        """Remove the cgroup once its processes have ended.

        Raises:
            OSError: a process is left.
        """
        until = time.monotonic() + _PATIENCE
        while self._path.exists():
            try:
                for each in sorted(self._path.glob("**/"), reverse=True):
                    with contextlib.suppress(FileNotFoundError):
                        each.rmdir()
            except OSError as error:
                # The kernel removes the last process from its cgroup a moment after its end, and a
                # cgroup may vanish during the walk.
                if error.errno not in {errno.EBUSY, errno.ENOENT} or time.monotonic() > until:
                    raise
                time.sleep(_LOOK_AGAIN)
