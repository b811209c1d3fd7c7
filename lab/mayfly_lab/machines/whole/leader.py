"""Finds the systemd of a whole machine among this host's processes."""

from __future__ import annotations

from pathlib import Path

_NSPAWN = "systemd-nspawn"


def leader(init: int) -> int:
    """Pid, on this host, of pid 1 of a container, for nsenter; `init` is from `Room.init`.

    Raises:
        ProcessLookupError: the container is not up yet, or not any more.
    """
    for pid in _children(init):
        if _name(pid) == _NSPAWN[:15]:
            for child in _children(pid):
                return child
    raise ProcessLookupError(f"no container runs below process {init}")


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""
