"""The services of a machine, their states, and their unit files."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mayfly_lab.machines.inside import family, scopes, unit_file
from mayfly_lab.machines.inside.shutdown import Stop
from mayfly_lab.machines.inside.unit_file import MASKED, Settings

_TARGET = "multi-user.target.wants"
_STARTING_TARGETS = {"cloud-init.target": "cloud-final.service"}
"""Targets that are reached when a service has ended its start."""
_STOP_SECONDS = 2.0
"""Stands for TimeoutStopSec, 90 s by default, in which init of the lab could answer nobody."""
_LOOK_AGAIN = 0.005
_CLEAN = {0, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}
"""Wait statuses of a clean end. Source: systemd.service(5), SuccessExitStatus."""


@dataclass
class Service:
    """A service of a unit file, or user data, which has none."""

    name: str
    settings: Settings
    pid: int | None = None
    marks: list[int] = field(default_factory=list)
    """With namespaces, open files of the cgroup namespaces that the first processes made."""
    left: tuple[int, ...] = ()
    """Processes at the last stop: without namespaces, the only trace of those that outlive it."""
    ready: bool = False
    stopping: bool = False
    failed: bool = False
    fed: float = 0.0
    """Time of the last message to the watchdog, by the monotonic clock."""


class Units:
    """Services by name. `start` starts a service's program, and returns its pid."""

    def __init__(self, directory: Path, start: Callable[[Service], int]) -> None:
        self._directory = directory
        self._start = start
        self._services: dict[str, Service] = {}
        self._queue: list[str] = []

    def __contains__(self, name: str) -> bool:
        """Whether the service, or a unit file of this name, exists."""
        return name in self._services or os.path.lexists(self._directory / name)

    # Unit files.

    def masked(self, name: str) -> bool:
        """Whether the unit file is a link to /dev/null."""
        link = self._directory / name
        return link.is_symlink() and str(link.readlink()) == os.devnull

    def mask(self, name: str) -> None:
        """Prevent starts of the service; a running service continues, without its settings.

        Raises FileExistsError, with systemd's words, over any other file or link.
        """
        link = self._directory / name
        if self.masked(name):
            return
        if os.path.lexists(link):
            more = f" and is a symlink to {link.readlink()}" if link.is_symlink() else ""
            raise FileExistsError(f"File {link} already exists{more}.")
        link.symlink_to(os.devnull)

    def unmask(self, name: str) -> None:
        """Remove the mask, if the service has one."""
        if self.masked(name):
            (self._directory / name).unlink()

    def enable(self, name: str) -> None:
        """Start the service at every later boot. Raises FileNotFoundError without a unit file."""
        unit = self._directory / name
        if self.masked(name) or not unit.exists():
            raise FileNotFoundError(name)
        wants = self._directory / _TARGET
        wants.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (wants / name).symlink_to(unit)

    def disable(self, name: str) -> None:
        """Undo `enable`."""
        link = self._directory / _TARGET / name
        if link.is_symlink():
            link.unlink()

    def enabled(self) -> list[str]:
        """Names of enabled services that are not masked, sorted."""
        wants = self._directory / _TARGET
        links = sorted(wants.iterdir()) if wants.is_dir() else []
        return [link.name for link in links if link.exists() and not self.masked(link.name)]

    def settings(self, name: str) -> Settings:
        """Settings in force: none of a masked unit's. Raises FileNotFoundError for no unit."""
        if self.masked(name):
            return MASKED
        service, unit = self._services.get(name), self._directory / name
        # As after a daemon-reload, which every stand-in verb on files implies.
        return unit_file.read(unit) if unit.exists() or service is None else service.settings

    # Starts and ends.

    def run(self, service: Service) -> None:
        """Register a service, and start it unless it is masked or runs already."""
        self._services[service.name] = service
        if service.pid is None and not self.masked(service.name):
            service.stopping = service.failed = False
            service.ready = service.ready and service.settings.kind != "notify"
            service.fed = time.monotonic()
            service.pid = self._start(service)

    def run_by_name(self, name: str) -> Service:
        """Start a service of a unit file. Raises FileNotFoundError for an unknown name."""
        settings = self.settings(name)
        service = self._services.get(name) or Service(name, settings)
        service.settings = settings
        self.run(service)
        return service

    def queue(self, name: str) -> None:
        """Start a service once what it is ordered after has started."""
        self._queue.append(name)
        self.run_queue()

    def run_queue(self) -> None:
        """Start the queued services that no longer wait."""
        for name in [each for each in self._queue if not self.waits(each)]:
            self._queue.remove(name)
            # The file may be gone by now.
            with contextlib.suppress(FileNotFoundError):
                self.run_by_name(name)

    def starting(self, name: str) -> bool:
        """Whether the service's start is under way: a `oneshot` runs, a `notify` is not ready."""
        service = self._services.get(_STARTING_TARGETS.get(name, name))
        if service is None or service.pid is None:
            return False
        kind = service.settings.kind
        return kind == "oneshot" or (kind == "notify" and not service.ready)

    def waits(self, name: str) -> bool:
        """Whether the start must wait. Raises FileNotFoundError for an unknown name."""
        return any(self.starting(each) for each in self.settings(name).after)

    def starts(self, name: str) -> bool:
        """Whether the service's start is under way or queued."""
        return name in self._queue or self.starting(name)

    def any_starts(self) -> bool:
        """Whether any start is under way or queued."""
        return bool(self._queue) or any(self.starting(name) for name in self._services)

    def stop(self, name: str) -> None:
        """End a service as its KillMode says, and do not restart it.

        Raises FileNotFoundError for a name without service and unit file.
        """
        if name not in self:
            raise FileNotFoundError(name)
        service = self._services.get(name)
        if service is None:
            return
        service.stopping = True
        mode = self.settings(name).kill_mode
        everybody = self.members(name)
        service.left = tuple(everybody)
        first = [service.pid] if service.pid is not None else []
        asked = everybody if mode == "control-group" else first
        self._end(service, lambda: [pid for pid in self.members(name) if pid in asked])
        if mode != "process":
            scopes.kill(lambda: self.members(name), signal.SIGKILL)

    def stops(self, usual: float) -> list[Stop]:
        """The stops of all running services; `usual` is the time of those without a limit."""
        return [self._stop_of(name, usual) for name in list(self._services) if self.members(name)]

    def _stop_of(self, name: str, usual: float) -> Stop:
        settings = self.settings(name)

        def waited_for() -> list[int]:
            service = self._services[name]
            first = [] if service.pid is None else [service.pid]
            return first if settings.kill_mode != "control-group" else self.members(name)

        return Stop(
            name=name,
            after=settings.after,
            before=frozenset(),
            begin=lambda: self._ask_to_end(name, waited_for),
            running=lambda: bool(waited_for()),
            kill=lambda: scopes.kill(waited_for, signal.SIGKILL),
            seconds=usual if settings.stop_seconds is None else settings.stop_seconds,
        )

    def _ask_to_end(self, name: str, members: Callable[[], list[int]]) -> None:
        self._services[name].stopping = True
        scopes.kill(members, signal.SIGTERM)

    def _end(self, service: Service, asked: Callable[[], list[int]]) -> None:
        """End processes by SIGTERM, and the deaf ones by SIGKILL, which fails the service."""
        scopes.kill(asked, signal.SIGTERM)
        until = time.monotonic() + _STOP_SECONDS
        while asked() and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN)
        # A stop changes nothing for a service that has failed before.
        service.failed = service.failed or bool(asked())
        scopes.kill(asked, signal.SIGKILL)

    def ended(self, pid: int, status: int) -> Service | None:
        """Record the end of a process with this wait status. Returns its service.

        None when it belongs to none. What the service leaves is killed, unless by its KillMode.
        """
        found = next((each for each in self._services.values() if each.pid == pid), None)
        if found is None:
            return None
        name = found.name
        found.pid = None
        found.failed = found.failed or status not in _CLEAN
        if self.settings(name).kill_mode != "process":
            scopes.kill(lambda: self.members(name), signal.SIGKILL)
        return found

    # What runs.

    def pids(self) -> set[int]:
        """Pids of the first processes of services."""
        pids = (service.pid for service in self._services.values())
        return {pid for pid in pids if pid is not None}

    def members(self, name: str) -> list[int]:
        """Pids of a service's living processes; empty for unknown services."""
        service = self._services.get(name)
        if service is None:
            return []
        living = [member for member in family.table() if member.alive]
        if service.marks:
            groups = {os.fstat(mark).st_ino for mark in service.marks}
            return [each.pid for each in living if family.cgroup_namespace(each.pid) in groups]
        heads = {*service.left, *([] if service.pid is None else [service.pid])}
        below = [member.pid for pid in heads for member in family.descendants(pid, living)]
        return [member.pid for member in living if member.pid in heads] + below

    def ran(self, name: str) -> bool:
        """Whether the service has ever been started: systemd keeps such units loaded."""
        return name in self._services

    def failed(self, name: str) -> bool:
        """Whether the service's last run failed."""
        return name in self._services and self._services[name].failed

    def forget_failure(self, name: str) -> None:
        """Take the state `failed` from the service; no effect on others."""
        if name in self._services:
            self._services[name].failed = False

    def any_failed(self) -> bool:
        """Whether any service is in the state `failed`."""
        return any(service.failed for service in self._services.values())

    def is_ready(self, pid: int) -> None:
        """Mark the service with this pid as ready."""
        for service in self._services.values():
            service.ready |= service.pid == pid

    def feed(self, pid: int) -> None:
        """Feed the watchdog of the service with this pid (`NotifyAccess=main`)."""
        for service in self._services.values():
            if service.pid == pid:
                service.fed = time.monotonic()

    def all_ready(self) -> bool:
        """Whether all running services are ready."""
        return all(service.ready for service in self._services.values() if service.pid is not None)

    def clear(self) -> None:
        """Forget all services, for a reboot."""
        for mark in [each for service in self._services.values() for each in service.marks]:
            os.close(mark)
        self._services.clear()
        self._queue.clear()
