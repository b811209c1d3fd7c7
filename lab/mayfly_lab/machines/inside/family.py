"""Running processes and their descendants."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HAS_PROC = Path("/proc/self/stat").exists()
"""Whether the host has /proc, as Linux; macOS has only ps."""
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class Member:
    """One process, as the kernel lists it."""

    pid: int
    parent: int
    alive: bool
    """False for a zombie."""


def table() -> list[Member]:
    """All processes that this process can see."""
    return list(_from_proc() if HAS_PROC else _from_ps())


def descendants(pid: int, members: Iterable[Member]) -> list[Member]:
    """Descendants of `pid`, parents before children."""
    children = defaultdict(list)
    for member in members:
        children[member.parent].append(member)
    found, above = [], [pid]
    while above:
        below = children[above.pop()]
        found += below
        above += [member.pid for member in below]
    return found


def cgroup_namespace(pid: int) -> int | None:
    """Number of the process's cgroup namespace; None after its end and without /proc."""
    with contextlib.suppress(*_GONE, PermissionError):
        return Path(f"/proc/{pid}/ns/cgroup").stat().st_ino
    return None


def _from_proc() -> Iterable[Member]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # A process may end between the listing and the read.
            with contextlib.suppress(*_GONE):
                # The name in brackets may contain spaces and brackets.
                fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                yield Member(int(entry.name), int(fields[1]), fields[0] not in {"Z", "X"})


def _from_ps() -> Iterable[Member]:
    import subprocess  # A late import: Linux never needs it.

    listing = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    for line in listing.splitlines():
        pid, parent, state = line.split()
        yield Member(int(pid), int(parent), not state.startswith("Z"))
