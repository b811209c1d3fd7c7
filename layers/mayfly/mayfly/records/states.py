"""The legal life of each record: one transition table each, one table of deadlines.

The diagrams in the documentation are generated from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from mayfly.errors import Illegal


class ClaimState(StrEnum):
    """Where a job stands that Mayfly has reserved."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    RUNNING = "running"
    FINISHED = "finished"
    RELEASED = "released"
    FAILED = "failed"


class InstanceState(StrEnum):
    """Where one slot of a launch stands, from the wish to the end of the machine."""

    REQUESTED = "requested"
    LAUNCHING = "launching"
    BOOTING = "booting"
    BOOTSTRAPPED = "bootstrapped"
    SWAPPING = "swapping"
    READY = "ready"
    ASSIGNED = "assigned"
    RUNNING = "running"
    DONE = "done"
    CONDEMNED = "condemned"
    TERMINATED = "terminated"


class LaunchState(StrEnum):
    """Where one request to EC2 stands."""

    OPEN = "open"
    SETTLED = "settled"


_C, _I, _L = ClaimState, InstanceState, LaunchState

CLAIM_TRANSITIONS: Mapping[ClaimState, Mapping[ClaimState, str]] = {
    _C.WAITING: {
        _C.ASSIGNED: "a ready instance was bound to it",
        _C.RELEASED: "cancelled, taken by someone else, or given back to Buildkite",
        _C.FAILED: "it cannot run here; Buildkite is told the reason",
    },
    _C.ASSIGNED: {
        _C.RUNNING: "Buildkite says that an agent has accepted it",
        _C.WAITING: "the attempt failed before Buildkite said accepted",
        _C.RELEASED: "cancelled or taken by someone else before it was accepted",
        _C.FAILED: "the last attempt failed; Buildkite is told the reason",
    },
    _C.RUNNING: {_C.FINISHED: "the job or its instance has ended"},
    _C.FINISHED: {},
    _C.RELEASED: {},
    _C.FAILED: {},
}

_CONDEMNED = "it failed, overstayed, or is not needed any more"
_GONE = "EC2 says that the instance is terminated"

INSTANCE_TRANSITIONS: Mapping[InstanceState, Mapping[InstanceState, str]] = {
    _I.REQUESTED: {
        _I.LAUNCHING: "EC2 returned an instance id for the slot, or it was seen with our tag",
        _I.TERMINATED: "EC2 did not launch it",
    },
    _I.LAUNCHING: {
        _I.BOOTING: "the supervisor's first report arrived",
        _I.CONDEMNED: _CONDEMNED,
        _I.TERMINATED: _GONE,
    },
    _I.BOOTING: {
        _I.BOOTSTRAPPED: "the supervisor reports that set-up is done",
        _I.CONDEMNED: _CONDEMNED,
        _I.TERMINATED: _GONE,
    },
    _I.BOOTSTRAPPED: {
        _I.SWAPPING: "its profile is about to be replaced",
        _I.CONDEMNED: _CONDEMNED,
        _I.TERMINATED: _GONE,
    },
    _I.SWAPPING: {
        _I.READY: "it wrote its sandbox row, and EC2 shows the sandbox profile alone",
        _I.CONDEMNED: _CONDEMNED,
        _I.TERMINATED: _GONE,
    },
    _I.READY: {
        _I.ASSIGNED: "a job was bound to it",
        _I.CONDEMNED: _CONDEMNED,
        _I.TERMINATED: _GONE,
    },
    _I.ASSIGNED: {
        _I.RUNNING: "Buildkite says that its agent has accepted the job",
        _I.CONDEMNED: _CONDEMNED,
        _I.TERMINATED: _GONE,
    },
    _I.RUNNING: {
        _I.DONE: "its agent has ended",
        _I.CONDEMNED: _CONDEMNED,
        _I.TERMINATED: _GONE,
    },
    _I.DONE: {_I.TERMINATED: _GONE},
    _I.CONDEMNED: {_I.TERMINATED: _GONE},
    _I.TERMINATED: {},
}

LAUNCH_TRANSITIONS: Mapping[LaunchState, Mapping[LaunchState, str]] = {
    _L.OPEN: {_L.SETTLED: "EC2 answered, or the time for repeating the request is over"},
    _L.SETTLED: {},
}

OPEN_CLAIMS = frozenset({_C.WAITING, _C.ASSIGNED, _C.RUNNING})
COMING = frozenset({_I.REQUESTED, _I.LAUNCHING, _I.BOOTING, _I.BOOTSTRAPPED, _I.SWAPPING})
"""States of an instance that will be ready if nothing goes wrong."""
OPEN_INSTANCES = frozenset(_I) - {_I.TERMINATED}

REPEAT_LAUNCH = timedelta(minutes=10)
"""How long an unanswered CreateFleet is repeated byte for byte."""

DEADLINES: Mapping[InstanceState, timedelta] = {
    # A queue's own time limit for the bootstrap script is added to BOOTING, its job/max-minutes
    # to RUNNING: the host enforces both itself, so what stands here is the allowance for that.
    _I.REQUESTED: REPEAT_LAUNCH,
    _I.LAUNCHING: timedelta(minutes=5),
    _I.BOOTING: timedelta(minutes=10),
    _I.BOOTSTRAPPED: timedelta(minutes=2),
    _I.SWAPPING: timedelta(minutes=6),
    _I.ASSIGNED: timedelta(minutes=3),
    # An agent may need 25 minutes after its command's end to deliver the log through an outage.
    _I.RUNNING: timedelta(minutes=30),
    _I.DONE: timedelta(minutes=2),
    _I.CONDEMNED: timedelta(minutes=2),
}
"""How long a state may last at most; READY is bounded by pool/max-idle-hours."""

CLAIM_DEADLINES: Mapping[ClaimState, timedelta] = {
    _C.WAITING: timedelta(hours=1),
    # An attempt is over much sooner: this ends what Buildkite says nothing of any more.
    _C.ASSIGNED: timedelta(hours=1),
}
"""A claim that waited this long goes back to Buildkite, as does one whose instance is gone."""


State = TypeVar("State", bound=StrEnum)


def check_edge(table: Mapping[State, Mapping[State, str]], old: State, new: State) -> None:
    """Raise Illegal unless the table has an edge from old to new."""
    if new not in table[old]:
        raise Illegal(f"{type(old).__name__}: no edge from {old} to {new}")
