"""Processes that the kernel killed for lack of memory, by `memory.events` of their cgroup.

Source: the kernel's admin-guide/cgroup-v2, "Memory Interface Files". Both counts include cgroups
below, such as those of containers. `hooks/pre-exit` tells the job the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mayfly_instance.machine import Machine

EVENTS = "memory.events"


@dataclass(frozen=True)
class Kills:
    """Kills of one cgroup since its creation."""

    processes: int = 0
    """`oom_kill`: processes killed, whether for the cgroup's own limit or the whole machine's."""
    at_limit: int = 0
    """`oom`: how often a limit (`memory.max`) inside the cgroup was reached and nothing helped."""

    def __str__(self) -> str:
        """The kills as a clause; empty without one."""
        if not self.processes:
            return ""
        who = "a process" if self.processes == 1 else f"{self.processes} processes"
        limit, machine = "a memory limit inside the job was reached", "the instance ran out of it"
        return (
            f"the kernel killed {who} of the job for memory: {limit if self.at_limit else machine}"
        )


def read(cgroup: Path) -> Kills | None:
    """The kills of a cgroup; None where they cannot be read.

    A cgroup may be gone, a kernel may lack the memory controller, and a read may fail for lack of
    memory: nothing of this may harm a running job, so no error is raised.
    """
    try:
        text = (cgroup / EVENTS).read_text("ascii")
    except OSError:
        return None
    counts = dict(line.split() for line in text.splitlines())
    return Kills(int(counts.get("oom_kill", 0)), int(counts.get("oom", 0)))


class KillCount:
    """The kills of a running program's cgroup. Each `look` may be the last that succeeds."""

    def __init__(self, machine: Machine, pid: int) -> None:
        self._machine = machine
        self._pid = pid
        self._cgroup: Path | None = None
        self.kills = Kills()

    def look(self) -> bool:
        """Read the count; returns whether it has risen since the last look.

        A program enters its scope only after its start, so its cgroup is looked up each time. The
        last known one serves after its end: processes of the job may still hold the scope.
        """
        self._cgroup = self._machine.cgroup(self._pid) or self._cgroup
        found = None if self._cgroup is None else read(self._cgroup)
        before, self.kills = self.kills, found or self.kills
        return self.kills.processes > before.processes
