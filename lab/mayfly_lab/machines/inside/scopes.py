"""Scopes: groups of one process and its descendants."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mayfly_lab.machines.inside import family
from mayfly_lab.machines.inside.family import Member
from mayfly_lab.machines.inside.scope_properties import Properties

_KILL_FOR = 2.0


@dataclass(frozen=True)
class Scope:
    """One group, identified by its first process.

    systemd groups processes by cgroup, but not every host lets the lab create cgroups. With
    namespaces, the first process enters a new cgroup namespace instead, which its descendants share
    and only root can leave; the host is not changed. Without namespaces, the first process adopts
    orphaned descendants, and init adopts them after its end.
    """

    first: int
    mark: int | None
    """An open file of the namespace, so that the kernel does not reuse its number."""
    properties: Properties = field(default_factory=Properties)


class Scopes:
    """The scopes of one machine. `services` returns the pids that init itself has started."""

    def __init__(self, services: Callable[[], set[int]]) -> None:
        self._services = services
        self._scopes: dict[str, Scope] = {}

    def add(self, name: str, scope: Scope) -> None:
        """Add a scope. Raises FileExistsError while a scope of this name has processes."""
        if self.members(name):
            raise FileExistsError(name)
        self._scopes[name] = scope

    def running(self) -> dict[str, Properties]:
        """The scopes with living processes, and their properties."""
        found = {name: scope.properties for name, scope in self._scopes.items()}
        return {name: properties for name, properties in found.items() if self.members(name)}

    def members(self, name: str) -> list[int]:
        """Pids of a scope's living processes; a scope without any is removed."""
        scope = self._scopes.get(name)
        if scope is None:
            return []
        living = [member for member in family.table() if member.alive]
        if scope.mark is None:
            members = self._family(scope, living)
        else:
            number = os.fstat(scope.mark).st_ino
            members = [each.pid for each in living if family.cgroup_namespace(each.pid) == number]
        if not members:
            self._forget(name)
        return members

    def clear(self) -> None:
        """Remove all scopes; called when no process runs."""
        for name in list(self._scopes):
            self._forget(name)

    def _family(self, scope: Scope, living: list[Member]) -> list[int]:
        """The first process, its descendants, and orphans outside other scopes and services."""
        others = {each.first for each in self._scopes.values()} | self._services()
        init = os.getpid()
        heads = [
            member.pid
            for member in living
            if member.pid == scope.first or (member.parent == init and member.pid not in others)
        ]
        below = [member.pid for pid in heads for member in family.descendants(pid, living)]
        return heads + below

    def _forget(self, name: str) -> None:
        mark = self._scopes.pop(name).mark
        if mark is not None:
            os.close(mark)


def kill(members: Callable[[], list[int]], number: int) -> None:
    """Send a signal to all members; after SIGKILL, wait up to `_KILL_FOR` until none is left."""
    until = time.monotonic() + _KILL_FOR
    while True:
        pids = members()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        # A member may start another process between the listing and the signal.
        if number != signal.SIGKILL or not pids or time.monotonic() > until:
            return


def end(members: Callable[[], list[int]]) -> None:
    """End all members by SIGTERM, and after `_KILL_FOR` seconds by SIGKILL."""
    kill(members, signal.SIGTERM)
    until = time.monotonic() + _KILL_FOR
    while members() and time.monotonic() < until:
        time.sleep(0.005)
    kill(members, signal.SIGKILL)
