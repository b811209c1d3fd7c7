"""Processes that the kernel killed for lack of memory, by `memory.events` of their cgroup.

Source: the kernel's admin-guide/cgroup-v2, "Memory Interface Files". Both counts include cgroups
below, such as those of containers. `hooks/tell-causes` tells the job the same.
"""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from pathlib import Path

from mayfly_instance.clock import Clock
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


def read(events: int) -> Kills | None:
    """The kills by an open `memory.events`; None where they cannot be read.

    A cgroup may be gone, and a read may fail for lack of memory: nothing of this may harm a running
    job, so no error is raised.
    """
    try:
        text = os.pread(events, 4096, 0).decode("ascii")
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
        self._events: int | None = None
        self._change = select.poll()
        self.kills = Kills()

    def look(self) -> bool:
        """Read the count; returns whether it has risen since the last look.

        A program enters its scope only after its start, so its cgroup is looked up each time. The
        last known one serves after its end: processes of the job may still hold the scope.
        """
        self._follow(self._machine.cgroup(self._pid))
        found = None if self._events is None else read(self._events)
        if found is None:
            self.close()
        before, self.kills = self.kills, found or self.kills
        return self.kills.processes > before.processes

    def wait(self, clock: Clock, seconds: float) -> None:
        """Sleep for so many seconds, or until the count changes.

        The agent looks for hooks a few milliseconds after the end of a command. Source: the
        kernel's cgroup-v2, "memory.events": a change is a "file modified event", which poll(2)
        gets as POLLPRI.
        """
        if self._events is None:
            clock.sleep(seconds)
        else:
            clock.wait(self._change, seconds)

    def close(self) -> None:
        """Close what is open; a later `look` opens it again."""
        if self._events is not None:
            self._change.unregister(self._events)
            os.close(self._events)
            self._events = None

    def _follow(self, cgroup: Path | None) -> None:
        """Open `memory.events` of the cgroup; a kernel may lack the memory controller."""
        if cgroup is None or (cgroup == self._cgroup and self._events is not None):
            return
        self.close()
        self._cgroup = cgroup
        try:
            self._events = os.open(cgroup / EVENTS, os.O_RDONLY)
        except OSError:
            return
        self._change.register(self._events, select.POLLPRI)
