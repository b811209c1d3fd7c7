"""Properties of the scopes in which script and agent run, and which of them systemd knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Callable

from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.machine import Machine

NEEDED = (
    # At shutdown systemd stops units in the opposite order and waits for each: first the
    # supervisor, which tells the agent to fail the job, then this scope, and the network last.
    "After=network.target network-online.target nss-lookup.target",
    "Before=mayfly.service",
    # For a supervisor that was killed: after SIGTERM an agent would wait for the end of its job.
    "KillSignal=SIGQUIT",
    # The job's grace period, at most 100 s, and the delivery of its log.
    "TimeoutStopSec=120",
    # Otherwise 15 % of the kernel's threads (systemd-system.conf(5), DefaultTasksMax).
    "TasksMax=infinity",
)
OOM_CONTINUE = "OOMPolicy=continue"
"""Without it systemd ends a whole scope after one of its processes was killed for memory."""
OOM_UNSEEN = "MemoryAccounting=no"
"""For an older systemd, which does not look at memory.events of a unit without accounting
(unit_watch_cgroup_memory). The kernel counts there all the same."""


def probe(machine: Machine, note: Callable[[str], object]) -> list[str]:
    """The properties for this machine's systemd, found by a scope that does nothing.

    systemd-run fails at an unknown property, and a job must not find that out. `note` gets a line
    if an older systemd's property is used. Raises HostFailure if systemd refuses the others.
    """
    try:
        # Names of their own: systemd forgets a scope only a moment after its end.
        machine.try_scope("mayfly-probe", [*NEEDED, OOM_CONTINUE])
    except CommandFailed as refused:
        note(f"systemd refuses a scope, {OOM_UNSEEN} instead: {refused.words.strip()}")
    else:
        return [*NEEDED, OOM_CONTINUE]
    try:
        machine.try_scope("mayfly-probe-older", [*NEEDED, OOM_UNSEEN])
    except CommandFailed as error:
        reason = "the image's systemd refuses the job's scope; Mayfly needs systemd 252 or newer"
        raise HostFailure(reason, error.words) from error
    return [*NEEDED, OOM_UNSEEN]


def keep(machine: Machine, properties: Sequence[str]) -> None:
    """Keep the properties for the programs of every boot. Raises OSError."""
    machine.write_file(machine.places.scope, json.dumps(list(properties)).encode())


def kept(machine: Machine) -> list[str]:
    """The properties that `keep` has written. Raises OSError."""
    found: list[str] = json.loads(machine.places.scope.read_text("utf-8"))
    return found
