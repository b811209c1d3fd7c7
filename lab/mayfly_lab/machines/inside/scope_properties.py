"""Properties of a scope, with systemd's words for those that it refuses (seen on 252 and 257)."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from mayfly_lab.machines.inside.unit_file import seconds

_OOM_POLICIES = ("continue", "stop", "kill")
_LISTS = ("After", "Before")
_SINGLE = (
    "Delegate",
    "KillSignal",
    "MemoryAccounting",
    "OOMPolicy",
    "TasksMax",
    "TimeoutStopSec",
)
TASKS = "15%"
"""The usual limit of a unit's tasks, of the kernel's threads (systemd-system.conf(5)). systemd
itself shows the number."""
_NO = {"no", "false", "off", "0"}


class Refused(Exception):
    """systemd-run's words for a command line that it refuses."""


@dataclass(frozen=True)
class Properties:
    """Properties that a machine of the lab obeys or tells, with systemd's defaults."""

    after: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()
    kill_signal: int = signal.SIGTERM
    stop_seconds: float | None = None
    """`TimeoutStopSec`; None: the machine's default."""
    stops_for_memory: bool = True
    """Whether a kill for lack of memory ends the whole scope."""
    most_tasks: str = TASKS
    """`TasksMax`. The lab counts no tasks, but `systemctl show` tells the limit."""


def parse(assignments: Sequence[str]) -> Properties:
    """The properties of `NAME=VALUE` words. Raises Refused."""
    found: dict[str, list[str]] = {}
    for word in assignments:
        name, _, value = word.partition("=")
        if name not in _LISTS + _SINGLE:
            raise Refused(f"Unknown assignment: {word}")
        found.setdefault(name, []).append(value)
    last = {name: values[-1] for name, values in found.items()}
    policy = last.get("OOMPolicy", "stop")
    if policy not in _OOM_POLICIES:
        raise Refused(f"Failed to start transient scope unit: Invalid OOMPolicy setting: {policy}")
    watched = last.get("MemoryAccounting", "yes") not in _NO
    number = getattr(signal, last.get("KillSignal", "SIGTERM"), None)
    if number is None:
        raise Refused(f"Failed to parse KillSignal= parameter {last['KillSignal']}")
    return Properties(
        after=frozenset(" ".join(found.get("After", [])).split()),
        before=frozenset(" ".join(found.get("Before", [])).split()),
        kill_signal=number,
        stop_seconds=seconds(last["TimeoutStopSec"]) if "TimeoutStopSec" in last else None,
        stops_for_memory=policy != "continue" and watched,
        most_tasks=last.get("TasksMax", TASKS),
    )
