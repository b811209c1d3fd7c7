"""What whole machines could leave on this host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
_NAMED = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Traces:
    """What belongs to the lab of this process, except named namespaces, which have no owner."""

    processes: frozenset[str]
    """Names of processes below this one that have a network of their own."""
    mounts: frozenset[str]
    cgroups: frozenset[Path]
    namespaces: frozenset[Path]


def cgroups(pattern: str) -> list[Path]:
    """Paths in the unified hierarchy. No walk: other machines' cgroups come and go meanwhile."""
    return [path for top in _CGROUPS for path in Path(top).glob(pattern)]


def traces() -> Traces:
    """What is there now."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return Traces(
        processes=frozenset(_machines()),
        mounts=frozenset(line for line in mounts if "mayfly" in line),
        cgroups=frozenset(cgroups(f"mayfly-lab-{os.getpid()}-*")),
        namespaces=frozenset(_NAMED.iterdir() if _NAMED.is_dir() else ()),
    )


def _machines() -> Iterator[str]:
    own = _network(Path("/proc/self"))
    parents = dict(filter(None, map(_parent, Path("/proc").glob("[0-9]*"))))
    for pid in parents:
        process = Path(f"/proc/{pid}")
        try:
            if os.getpid() in _ancestors(pid, parents) and _network(process) != own:
                yield (process / "comm").read_text().strip()
        except OSError:
            continue  # It has ended meanwhile.


def _network(process: Path) -> Path:
    return (process / "ns/net").readlink()


def _parent(process: Path) -> tuple[int, int] | None:
    try:
        return int(process.name), int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _ancestors(pid: int, parents: dict[int, int]) -> list[int]:
    found = []
    while pid in parents:
        pid = parents[pid]
        found.append(pid)
    return found
