"""Causes in the job's own log: why the host stopped the job, and what its author could not know.

The hook `hooks/tell-causes` tells them. A hook costs each job a part of a second, so the supervisor
links it only when there is something to tell; the agent looks for its hooks only when the job's
command has ended. What the hook tells stands in files of root in a directory of root, so a job that
is not root cannot change or remove it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mayfly_instance import hook_links
from mayfly_instance.machine import Machine

GOING_DOWN = "this machine is shut down from outside, which ends the job. Retry the job."
BROKEN = "the host's supervisor failed, which ends the job. Retry the job."
RETRY = "Retry with signal_reason agent_stop (docs/pipelines.md)."


def limit(minutes: int) -> str:
    """The words for a job that has run for its limit."""
    unit = "minute" if minutes == 1 else "minutes"
    return f"the queue's limit of {minutes} {unit} (job/max-minutes) is over."


def spot(clock_time: str) -> str:
    """The words for a spot interruption at this time, such as `11:19:26 UTC`; empty: unknown."""
    at = f" at {clock_time}" if clock_time else ""
    return f"EC2 takes this spot instance back{at}. {RETRY}"


def condemned(reason: str) -> str:
    """The words for a host that is not safe any more."""
    return f"this machine cannot run jobs any more: {reason}. Retry the job."


def tell(machine: Machine, cause: str) -> None:
    """Let the job's log tell this cause at the job's end. Raises OSError."""
    machine.write_file(machine.places.cause, _line(cause))
    link_hook(machine)


def tell_if_checkout_fails(
    machine: Machine, queue: str, git_host: str, looked_for: Sequence[str]
) -> None:
    """Let the job's log tell, if its checkout fails, that the queue lacks a key. Raises OSError.

    `looked_for` has the full names of parameters that could hold a key; empty for a queue without
    secrets.
    """
    text = f"queue {queue} has no key for {git_host}: " + (
        f"Parameter Store has no {' and no '.join(looked_for)} (docs/pipelines.md)."
        if looked_for
        else "its operators lay one down in the bootstrap script (docs/pipelines.md)."
    )
    machine.write_file(machine.places.no_key, _line(text))
    link_hook(machine)


def tell_lost_role(machine: Machine, why: str) -> None:
    """Let the job's log tell, at the job's end, that it lost its role. Raises OSError."""
    machine.write_file(machine.places.role_lost, _line(f"{why} (docs/pipelines.md)."))
    link_hook(machine)


def link_hook(machine: Machine) -> None:
    """Let the hook run at the end of the running job; it also tells of kills for lack of memory.

    Raises OSError.
    """
    hook_links.link(machine, "pre-exit", "tell-causes")


def _line(text: str) -> bytes:
    """One line: what the hook reads. A line break would begin a group of its own in the log."""
    return (" ".join(text.split()) + "\n").encode("utf-8", "replace")
