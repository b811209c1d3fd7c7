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
    """A service of the image, or one that set-up has enabled for the next boot."""

    name: str
    argv: tuple[str, ...]
    directory: str = "/"
    always: bool = False
    """Whether init starts it again when it ends by itself (`Restart=always`)."""
    ends_in: str = ""
    """`poweroff`: the machine goes off when the service ends (`SuccessAction=poweroff`)."""
    pid: int | None = None
    ready: bool = False


class Units:
    """Services by name. `start` is how init starts one; it answers with the pid."""

    def __init__(self, directory: Path, start: Callable[[Service], int]) -> None:
        self._directory = directory
        self._start = start
        self._services: dict[str, Service] = {}

    def __contains__(self, name: str) -> bool:
        """Whether there is such a service or at least a unit file."""
        return name in self._services or (self._directory / name).exists()

    def masked(self, name: str) -> bool:
        """Whether the unit file is a link to nothing."""
        link = self._directory / name
        return link.is_symlink() and str(link.readlink()) == os.devnull

    def mask(self, name: str) -> None:
        """Make the service impossible to start; what runs goes on running."""
        link = self._directory / name
        if os.path.lexists(link):
            link.unlink()
        link.symlink_to(os.devnull)

    def unmask(self, name: str) -> None:
        """Take the mask away, if there is one."""
        if self.masked(name):
            (self._directory / name).unlink()

    def enable(self, name: str) -> None:
        """Start the service at every further boot. Raises FileNotFoundError without a unit file."""
        unit = self._directory / name
        if self.masked(name) or not unit.exists():
            raise FileNotFoundError(name)
        wants = self._directory / _TARGET
        wants.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (wants / name).symlink_to(unit)

    def disable(self, name: str) -> None:
        """Do not start the service at boot."""
        link = self._directory / _TARGET / name
        if link.is_symlink():
            link.unlink()

    def enabled(self) -> list[Service]:
        """The services that `enable` has named, in the order of their names."""
        wants = self._directory / _TARGET
        links = sorted(wants.iterdir()) if wants.is_dir() else []
        return [_read(link) for link in links if link.exists() and not self.masked(link.name)]

    def run(self, service: Service) -> None:
        """Start a service unless it is masked or runs already."""
        self._services[service.name] = service
        if service.pid is None and not self.masked(service.name):
            service.pid = self._start(service)

    def run_again(self, name: str) -> None:
        """Start a service that ran before. Raises FileNotFoundError for one that is not known."""
        service = self._services.get(name)
        if service is None:
            raise FileNotFoundError(name)
        self.run(service)

    def stopping(self, name: str) -> None:
        """Note that the end of this service is wanted."""
        if name in self._services:
            self._services[name].always = False

    def pids(self) -> set[int]:
        """The programs that services began with."""
        pids = (service.pid for service in self._services.values())
        return {pid for pid in pids if pid is not None}

    def members(self, name: str) -> list[int]:
        """The living programs of a service."""
        service = self._services.get(name)
        if service is None or service.pid is None:
            return []
        living = [member for member in family.table() if member.alive]
        below = [member.pid for member in family.descendants(service.pid, living)]
        return [member.pid for member in living if member.pid == service.pid] + below

    def ended(self, pid: int) -> Service | None:
        """Note that a program has ended; the service that it was, if any."""
        for service in self._services.values():
            if service.pid == pid:
                service.pid = None
                return service
        return None

    def is_ready(self, pid: int) -> None:
        """Note that the service with this pid says that it is up."""
        for service in self._services.values():
            service.ready |= service.pid == pid

    def all_ready(self) -> bool:
        """Whether no running service is still coming up."""
        return all(service.ready for service in self._services.values() if service.pid is not None)

    def clear(self) -> None:
        """Forget all services: the machine starts anew."""
        self._services.clear()


def _read(unit: Path) -> Service:
    """The parts of a unit file that the lab knows; the file itself is systemd's own format."""
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
