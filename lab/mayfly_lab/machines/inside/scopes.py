"""Scopes: groups of programs that one program and all that came of it make up."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mayfly_lab.machines.inside import family
from mayfly_lab.machines.inside.family import Member

_KILL_FOR = 2.0
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class Scope:
    """One group, by the program that it began with.

    systemd groups by control group, which not every host of a lab lets us make. With namespaces
    the first program has left its cgroup namespace for a new one instead: what descends from it
    shares that, and cannot leave it unless it is root and means to. Nothing of the host is touched.
    Without, the first program adopts what its descendants leave behind, and init does after it.
    """

    first: int
    mark: int | None
    """An open file of the namespace, which keeps the kernel from using its number again."""


class Scopes:
    """The scopes of one machine. `services` are the programs that init itself has started."""

    def __init__(self, services: Callable[[], set[int]]) -> None:
        self._services = services
        self._scopes: dict[str, Scope] = {}

    def add(self, name: str, scope: Scope) -> None:
        """Make a scope. Raises FileExistsError while one of that name lives."""
        if self.members(name):
            raise FileExistsError(name)
        self._scopes[name] = scope

    def members(self, name: str) -> list[int]:
        """The living programs of a scope; one that has none is collected."""
        scope = self._scopes.get(name)
        if scope is None:
            return []
        living = [member for member in family.table() if member.alive]
        if scope.mark is None:
            members = self._family(scope, living)
        else:
            number = os.fstat(scope.mark).st_ino
            members = [each.pid for each in living if _namespace(each.pid) == number]
        if not members:
            self._forget(name)
        return members

    def clear(self) -> None:
        """Forget all scopes: nothing runs any more."""
        for name in list(self._scopes):
            self._forget(name)

    def _family(self, scope: Scope, living: list[Member]) -> list[int]:
        """What descends from the first program, and all orphans that are nobody else's."""
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


def _namespace(pid: int) -> int | None:
    with contextlib.suppress(*_GONE):
        return Path(f"/proc/{pid}/ns/cgroup").stat().st_ino
    return None


def kill(members: Callable[[], list[int]], number: int) -> None:
    """Signal all members; with SIGKILL none is left when this returns."""
    until = time.monotonic() + _KILL_FOR
    while True:
        pids = members()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        # Between the listing and the signal a member may have started another one.
        if number != signal.SIGKILL or not pids or time.monotonic() > until:
            return


def end(members: Callable[[], list[int]]) -> None:
    """Ask all members to end, wait a little, kill what is left."""
    kill(members, signal.SIGTERM)
    until = time.monotonic() + _KILL_FOR
    while members() and time.monotonic() < until:
        time.sleep(0.005)
    kill(members, signal.SIGKILL)
