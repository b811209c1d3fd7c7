"""What rootless containers need of the job user: ids, settings and a runtime directory.

The job user has no user manager of systemd (`systemd --user`), which would be a process of that
user beside the job: podman moves containers into units of that manager, so they would outlive the
job's scope. Without it, containers and all that serves them stay in the job's scope, below which
`Machine.start` lets the user make cgroups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mayfly_instance.failure import HostFailure
from mayfly_instance.machine import Machine
from mayfly_instance.places import JOB_USER

IDS = 65_536
"""Number of ids for the users inside containers: images have ids of 16 bits."""
_LOWEST = 100_000
_HIGHEST = 600_100_000
"""Bounds of subordinate ids. Source: login.defs(5), defaults of SUB_UID_MIN and SUB_UID_MAX."""

SETTINGS = """\
# Written by Mayfly: the job's user has no session of systemd, so podman manages cgroups itself.
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
"""Without these settings podman chooses the same, but each call of podman begins with a warning."""


def set_up(machine: Machine) -> None:
    """Give the job user ids for containers, and podman's settings for a user without a session.

    What the image has already stays. Raises HostFailure, OSError.
    """
    _give_ids(machine)
    settings = machine.places.container_settings
    if not settings.exists():
        for directory in (settings.parent.parent, settings.parent):
            machine.make_directory(directory, 0o700, JOB_USER)
        machine.write_file(settings, SETTINGS.encode(), owner=JOB_USER)


def runtime_directory(machine: Machine) -> Path:
    """The job user's runtime directory, XDG_RUNTIME_DIR."""
    return machine.places.runtime(machine.uid_of(JOB_USER))


def open_runtime_directory(machine: Machine) -> None:
    """Mount the job user's runtime directory, as a login would. Raises CommandFailed, OSError."""
    # A part of the memory, as logind.conf(5) has it for RuntimeDirectorySize.
    machine.mount_tmpfs(runtime_directory(machine), "10%", JOB_USER)


def _give_ids(machine: Machine) -> None:
    """Add ranges to /etc/subuid and /etc/subgid, for useradd gives none to a system user."""
    places = machine.places
    files = (places.subordinate_uids, places.subordinate_gids)
    owners = {JOB_USER, str(machine.uid_of(JOB_USER))}
    if all(owners & {name for name, _ in _fields(file)} for file in files):
        return
    for file in files:
        if not file.exists():  # usermod adds no range without the file.
            machine.write_file(file, b"")
    accounts = (places.root / "etc/passwd", places.root / "etc/group")
    taken = [each for file in files for each in _ranges(file)]
    taken += [each for file in accounts for each in _single_ids(file)]
    machine.add_ids(JOB_USER, lowest_free(taken), IDS)


def lowest_free(taken: Iterable[tuple[int, int]]) -> int:
    """The first id of the lowest range of IDS ids that no pair of first id and number overlaps.

    Raises HostFailure without such a range.
    """
    first = _LOWEST
    for begin, number in sorted(taken):
        if begin < first + IDS and first < begin + number:
            first = begin + number
    if first + IDS > _HIGHEST:
        raise HostFailure("/etc/subuid and /etc/subgid leave no ids for the job's containers")
    return first


def _ranges(file: Path) -> Iterator[tuple[int, int]]:
    """Ranges of a file as subuid(5) describes it; lines of another form are no ranges."""
    for _, rest in _fields(file):
        if len(rest) == 2 and rest[0].isdigit() and rest[1].isdigit():
            yield int(rest[0]), int(rest[1])


def _single_ids(file: Path) -> Iterator[tuple[int, int]]:
    """The third field of each line, as passwd(5) and group(5) have it, as a range of one id."""
    for _, rest in _fields(file):
        if len(rest) > 1 and rest[1].isdigit():
            yield int(rest[1]), 1


def _fields(file: Path) -> list[tuple[str, list[str]]]:
    """Name and further fields of each line; none without the file."""
    if not file.exists():
        return []
    lines = file.read_text("utf-8", "replace").splitlines()
    return [(name, rest) for name, *rest in (line.split(":") for line in lines)]
