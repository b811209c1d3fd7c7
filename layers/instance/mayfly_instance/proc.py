"""The machine's process table, and which of its processes are left over from set-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PF_KTHREAD = 0x00200000
_ENDED = (FileNotFoundError, ProcessLookupError)
# Units that systemd starts by itself, by timer, by socket or for a console login. Units that an
# operator's script might start are missing: a process in one of those condemns the host.
SYSTEM_UNITS = (
    "/init.scope",
    "/system.slice/systemd-",
    "/system.slice/dbus",
    "/system.slice/chronyd.service",
    "/system.slice/crond.service",
    "/system.slice/rsyslog.service",
    "/system.slice/gssproxy.service",
    "/system.slice/auditd.service",
    "/system.slice/rngd.service",
    "/system.slice/dnf-makecache.service",
    "/system.slice/logrotate.service",
    "/system.slice/fstrim.service",
    "/system.slice/policy-routes@",
    "/system.slice/refresh-policy-routes@",
    "/system.slice/update-motd.service",
    "/system.slice/system-getty.slice/",
    "/system.slice/system-serial\\x2dgetty.slice/",
    "/system.slice/system-policy\\x2droutes.slice/",
    "/system.slice/system-refresh\\x2dpolicy\\x2droutes.slice/",
    "/system.slice/cloud-",
)
IMAGE_DAEMONS = (
    # Process names, which the kernel cuts at 15 bytes.
    "amazon-ssm-agen",
    "ssm-agent-worke",
    "ssm-session-wor",
    "ssm-document-wo",
    "amazon-cloudwat",
    "codedeploy-agen",
    "amazon-ecs-agen",
    "xray",
    "aws-kinesis-age",
)
"""Daemons of images that hold role credentials. User data masks their services."""


@dataclass(frozen=True)
class Process:
    """One process of /proc."""

    pid: int
    parent: int
    started: int
    """Start in clock ticks since boot. Pids are reused; pid and start together are unique."""
    state: str
    name: str
    """Name of the program, at most 15 bytes."""
    uid: int
    kernel: bool
    cgroup: str

    @property
    def identity(self) -> tuple[int, int]:
        """Pid and start time, unique within this boot."""
        return (self.pid, self.started)

    @property
    def alive(self) -> bool:
        """Whether the process can still act; False for zombies."""
        return self.state not in {"Z", "X"}

    def __str__(self) -> str:
        return f"{self.name}[{self.pid}]"


def read(table: Path = Path("/proc")) -> list[Process]:
    """All processes of this pid namespace. Raises OSError without a process table."""
    found = []
    for entry in table.iterdir():
        if entry.name.isdigit():
            try:
                found.append(_process(entry))
            except _ENDED:  # It ended during the read.
                continue
    return found


def cgroup(pid: int, table: Path = Path("/proc")) -> str | None:
    """Path of the scope that holds a process, as this process sees it, else of its own cgroup.

    A program and its containers have cgroups of their own below their scope, and only the scope
    counts for all of them. None after the process's end.
    """
    try:
        path = _cgroup(table / str(pid))
    except OSError:  # Also for lack of memory.
        return None
    above, in_scope, _ = path.partition(".scope/")
    return f"{above}.scope" if in_scope else path


def _cgroup(entry: Path) -> str:
    return entry.joinpath("cgroup").read_text("utf-8", "replace").rpartition("::")[2].strip()


def _process(entry: Path) -> Process:
    # The name in parentheses may contain blanks and parentheses itself (proc(5)).
    head, _, tail = entry.joinpath("stat").read_text("utf-8", "replace").rpartition(")")
    fields = tail.split()
    status = entry.joinpath("status").read_text("utf-8", "replace")
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
    return Process(
        pid=int(entry.name),
        parent=int(fields[1]),
        started=int(fields[19]),
        state=fields[0],
        name=head.partition("(")[2],
        uid=int(uid),
        kernel=bool(int(fields[6]) & _PF_KTHREAD),
        cgroup=_cgroup(entry),
    )


def left_over(before: Iterable[Process], after: Iterable[Process], own_pid: int) -> list[Process]:
    """Live processes in `after` that were not in `before` and belong to no unit of the system.

    The supervisor's own cgroup never counts as a unit of the system: in a lab the pid namespace
    hides cgroups, and a script's process may run beside the supervisor, in the same cgroup.
    """
    known = {process.identity for process in before}
    after = list(after)
    own = next((process.cgroup for process in after if process.pid == own_pid), "")
    return [
        process
        for process in after
        if process.identity not in known
        and process.pid != own_pid
        and process.alive
        and not process.kernel
        and not (process.cgroup != own and process.cgroup.startswith(SYSTEM_UNITS))
    ]


def image_daemons(processes: Iterable[Process]) -> list[Process]:
    """Live processes of IMAGE_DAEMONS, which hold role credentials."""
    return [each for each in processes if each.alive and each.name in IMAGE_DAEMONS]


def has_children(processes: Iterable[Process], pid: int) -> bool:
    """Whether the process with this pid has live children."""
    return any(process.parent == pid and process.alive for process in processes)
