"""Command lines of this host's processes, those of the lab's machines among them.

Every user of a machine may read them, so no secret may be in one.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

_EVERY = 0.1
"""Seconds between two looks: a process that ends sooner may be missed."""
_FIRST_LOOKS = 3
"""Looks in which a new process is read: right after fork(2) it has its parent's command line."""
_ALL = 10
"""Of so many looks one reads every process: any may have become another program (execve(2))."""
_PART = 1 << 16
"""Bytes of a command line that are read at once."""


class ProcessList:
    """Looks at the processes again and again, in a thread. Sees nothing without a `/proc`."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._root = str(proc)
        self._looks: dict[str, int] = {}
        self._number = 0
        self._seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-list", daemon=True)

    def start(self) -> None:
        """Begin to look; returns at once."""
        if Path(self._root).is_dir():
            self._thread.start()

    def stop(self) -> None:
        """Look no more. Without effect before `start`."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Read the command lines of new processes, now and then of all."""
        every = self._number % _ALL == 0
        self._number += 1
        # Not by pathlib, which takes three times as long: the lab serves all calls meanwhile.
        present = [name for name in os.listdir(self._root) if name.isdigit()]  # noqa: PTH208
        self._looks = {pid: self._looks.get(pid, 0) + 1 for pid in present}
        for pid, looks in self._looks.items():
            if every or looks <= _FIRST_LOOKS:
                self._read(pid)

    def text(self) -> str:
        """Each command line that was seen, once and in order; blanks are between its words."""
        lines = (line.rstrip(b"\0").replace(b"\0", b" ") for line in sorted(self._seen.copy()))
        return b"\n".join(lines).decode("utf-8", "replace")

    def _read(self, pid: str) -> None:
        try:
            descriptor = os.open(f"{self._root}/{pid}/cmdline", os.O_RDONLY)
        except OSError:  # the process has ended
            return
        try:
            line = b"".join(iter(lambda: os.read(descriptor, _PART), b""))
        except OSError:
            return
        finally:
            os.close(descriptor)
        if line:
            self._seen.add(line)

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            self.look()
