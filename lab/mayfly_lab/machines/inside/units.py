"""The services of a machine and their unit files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mayfly_lab.machines.inside import family

_TARGET = "multi-user.target.wants"


@dataclass
class Service:
    """A service of the image, or of a unit file that set-up has enabled."""

    name: str
    argv: tuple[str, ...]
    directory: str = "/"
    always: bool = False
    """Whether init restarts the service when it ends by itself (`Restart=always`)."""
    ends_in: str = ""
    """`poweroff`: the machine powers off when the service ends (`SuccessAction=poweroff`)."""
    pid: int | None = None
    ready: bool = False


class Units:
    """Services by name. `start` starts a service, and returns its pid."""

    def __init__(self, directory: Path, start: Callable[[Service], int]) -> None:
        self._directory = directory
        self._start = start
        self._services: dict[str, Service] = {}

    def __contains__(self, name: str) -> bool:
        """Whether the service, or a unit file of this name, exists."""
        return name in self._services or (self._directory / name).exists()

    def masked(self, name: str) -> bool:
        """Whether the unit file is a link to /dev/null."""
        link = self._directory / name
        return link.is_symlink() and str(link.readlink()) == os.devnull

    def mask(self, name: str) -> None:
        """Prevent starts of the service; a running service continues."""
        link = self._directory / name
        if os.path.lexists(link):
            link.unlink()
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

    def enabled(self) -> list[Service]:
        """Enabled services that are not masked, sorted by name."""
        wants = self._directory / _TARGET
        links = sorted(wants.iterdir()) if wants.is_dir() else []
        return [_read(link) for link in links if link.exists() and not self.masked(link.name)]

    def run(self, service: Service) -> None:
        """Register a service, and start it unless it is masked or runs already."""
        self._services[service.name] = service
        if service.pid is None and not self.masked(service.name):
            service.pid = self._start(service)

    def run_again(self, name: str) -> None:
        """Start a registered service. Raises FileNotFoundError for an unknown name."""
        service = self._services.get(name)
        if service is None:
            raise FileNotFoundError(name)
        self.run(service)

    def stopping(self, name: str) -> None:
        """Mark a service as stopping, so that init does not restart it."""
        if name in self._services:
            self._services[name].always = False

    def pids(self) -> set[int]:
        """Pids of the first processes of services."""
        pids = (service.pid for service in self._services.values())
        return {pid for pid in pids if pid is not None}

    def members(self, name: str) -> list[int]:
        """Pids of a service's living processes; empty for unknown services."""
        service = self._services.get(name)
        if service is None or service.pid is None:
            return []
        living = [member for member in family.table() if member.alive]
        below = [member.pid for member in family.descendants(service.pid, living)]
        return [member.pid for member in living if member.pid == service.pid] + below

    def ended(self, pid: int) -> Service | None:
        """Record the end of a process. Returns its service; None when it belongs to none."""
        for service in self._services.values():
            if service.pid == pid:
                service.pid = None
                return service
        return None

    def is_ready(self, pid: int) -> None:
        """Mark the service with this pid as ready."""
        for service in self._services.values():
            service.ready |= service.pid == pid

    def all_ready(self) -> bool:
        """Whether all running services are ready."""
        return all(service.ready for service in self._services.values() if service.pid is not None)

    def clear(self) -> None:
        """Forget all services, for a reboot."""
        self._services.clear()


def _read(unit: Path) -> Service:
    """The service of a unit file; settings that the lab does not support are ignored."""
    settings = dict(
        line.split("=", 1)
        for line in unit.read_text().splitlines()
        if "=" in line and line[0] != "#"
    )
    return Service(
        name=unit.name,
        argv=tuple(settings["ExecStart"].split()),
        directory=settings.get("WorkingDirectory", "/"),
        always=settings.get("Restart") == "always",
        ends_in=settings.get("SuccessAction", ""),
    )
