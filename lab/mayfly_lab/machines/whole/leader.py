"""Finds the systemd of a whole machine among this host's processes."""

from __future__ import annotations

import contextlib
from pathlib import Path

_NSPAWN = "systemd-nspawn"


def leader(init: int) -> int:
    """Pid, on this host, of pid 1 of a container, for nsenter; `init` is from `Room.init`.

    Raises:
        ProcessLookupError: the container is not up yet, or not any more.
    """
    for pid in children(init):
        if _name(pid) == _NSPAWN[:15]:
            for child in children(pid):
                return child
    raise ProcessLookupError(f"no container runs below process {init}")


def children(pid: int) -> list[int]:
    """Pids of the children of all threads of a process; none for a process that has ended."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += [int(each) for each in file.read_text().split()]
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""
