"""The states of a Buildkite job, and every way from one to the next.

The words are those of the Stacks API's get-states and of buildkite/docs `_job_states.md`. `passed`
and `failed` are not states: they are how the REST API shows `finished`, by its exit status.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """Where a command job stands."""

    WAITING = "waiting"
    WAITING_FAILED = "waiting_failed"
    BLOCKED = "blocked"
    BLOCKED_FAILED = "blocked_failed"
    LIMITED = "limited"
    SKIPPED = "skipped"
    BROKEN = "broken"
    SCHEDULED = "scheduled"
    RESERVED = "reserved"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELING = "canceling"
    CANCELED = "canceled"
    TIMING_OUT = "timing_out"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"


S = JobState

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    S.WAITING: frozenset(
        {
            S.SCHEDULED,  # all that it depends on is satisfied
            S.LIMITED,  # ... but its concurrency group is full
            S.BLOCKED,  # all that is left to wait for is a block step
            S.WAITING_FAILED,  # something that it depends on failed
            S.CANCELED,  # somebody cancelled it or its build
            S.EXPIRED,  # 30 days after creation
        }
    ),
    S.WAITING_FAILED: frozenset(
        {
            S.WAITING,  # what had failed was retried by hand
        }
    ),
    S.BLOCKED: frozenset(
        {
            S.WAITING,  # it was unblocked, and waits for something else
            S.SCHEDULED,  # it was unblocked
            S.LIMITED,
            S.BLOCKED_FAILED,  # something before the block step failed
            S.CANCELED,
            S.EXPIRED,
        }
    ),
    S.BLOCKED_FAILED: frozenset(
        {
            S.WAITING,
        }
    ),
    S.LIMITED: frozenset(
        {
            S.SCHEDULED,  # a place in its concurrency group is free
            S.CANCELED,
            S.EXPIRED,
        }
    ),
    S.SCHEDULED: frozenset(
        {
            S.RESERVED,  # a stack reserved it
            S.ASSIGNED,  # offered to an agent that polls
            S.ACCEPTED,  # an agent acquired it by its id
            S.FINISHED,  # a stack finished it
            S.CANCELED,
            S.EXPIRED,
        }
    ),
    S.RESERVED: frozenset(
        {
            S.SCHEDULED,  # the reservation expired
            S.ACCEPTED,
            S.FINISHED,
            S.CANCELED,
            S.EXPIRED,
        }
    ),
    S.ASSIGNED: frozenset(
        {
            S.ACCEPTED,
            S.SCHEDULED,  # the agent went away before it accepted
            S.CANCELED,
        }
    ),
    S.ACCEPTED: frozenset(
        {
            S.RUNNING,  # the agent started it
            S.FINISHED,  # the agent was lost
            S.CANCELING,
        }
    ),
    S.RUNNING: frozenset(
        {
            S.FINISHED,  # the agent finished it, or was lost
            S.CANCELING,
            S.TIMING_OUT,  # timeout_in_minutes passed since it started
        }
    ),
    S.CANCELING: frozenset(
        {
            S.CANCELED,  # the agent finished it, or was lost
        }
    ),
    S.TIMING_OUT: frozenset(
        {
            S.TIMED_OUT,  # the agent finished it, or was lost
            S.FINISHED,  # ... with exit status 0: passed (buildkite/docs build_timeouts.md)
        }
    ),
    S.SKIPPED: frozenset(),
    S.BROKEN: frozenset(),
    S.FINISHED: frozenset(),
    S.CANCELED: frozenset(),
    S.TIMED_OUT: frozenset(),
    S.EXPIRED: frozenset(),
}

ENDED = frozenset(
    {
        *(S.SKIPPED, S.BROKEN, S.FINISHED, S.CANCELED, S.TIMED_OUT, S.EXPIRED),
        *(S.WAITING_FAILED, S.BLOCKED_FAILED),
    }
)
"""States in which nothing more happens by itself."""

HELD = frozenset({S.WAITING, S.BLOCKED, S.LIMITED})
"""States in which the job is not yet for any agent to take."""

WITH_AGENT = frozenset({S.ASSIGNED, S.ACCEPTED, S.RUNNING, S.CANCELING, S.TIMING_OUT})
"""States in which the job belongs to an agent."""


class IllegalTransitionError(Exception):
    """The emulator itself tried a way that does not exist: a bug, never an answer to a client."""


def check(before: JobState, after: JobState) -> None:
    """Allow a transition.

    Raises:
        IllegalTransitionError: there is no such way.
    """
    if after not in TRANSITIONS[before]:
        raise IllegalTransitionError(f"{before} -> {after}")
