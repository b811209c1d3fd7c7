"""The states of an instance, and the transitions between them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """`instance-state-name`."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"

    @property
    def code(self) -> int:
        """`instance-state-code`."""
        return _CODES[self]


_CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
    State.STOPPING: 64,
    State.STOPPED: 80,
}
# Source: EC2 user guide "Instance lifecycle".
TRANSITIONS: dict[State, frozenset[State]] = {
    # A launch that fails inside EC2 (no volume, no key) goes straight to terminated.
    State.PENDING: frozenset({State.RUNNING, State.SHUTTING_DOWN, State.TERMINATED}),
    State.RUNNING: frozenset({State.STOPPING, State.SHUTTING_DOWN}),
    State.STOPPING: frozenset({State.STOPPED, State.SHUTTING_DOWN}),
    State.STOPPED: frozenset({State.PENDING, State.SHUTTING_DOWN}),
    State.SHUTTING_DOWN: frozenset({State.TERMINATED}),
    State.TERMINATED: frozenset(),
}
GONE = frozenset({State.SHUTTING_DOWN, State.TERMINATED})
