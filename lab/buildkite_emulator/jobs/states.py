"""The states of a Buildkite job, and the transitions between them.

The words are from get-states of the Stacks API and from buildkite/docs `_job_states.md`. `passed`
and `failed` are not states: the REST API shows `finished` as one of them, by the exit status.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """The state of a command job."""

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
            S.SCHEDULED,  # all dependencies are met
            S.LIMITED,  # all dependencies are met, but the concurrency group is full
            S.BLOCKED,  # the only open dependency is a block step
            S.WAITING_FAILED,  # a dependency failed
            S.CANCELED,  # a person or job cancelled the job or its build
            S.EXPIRED,  # 30 days after creation
        }
    ),
    S.WAITING_FAILED: frozenset(
        {
            S.WAITING,  # the failed dependency was retried by hand
        }
    ),
    S.BLOCKED: frozenset(
        {
            S.WAITING,  # the step was unblocked, but another dependency is open
            S.SCHEDULED,  # the step was unblocked
            S.LIMITED,
            S.BLOCKED_FAILED,  # a step before the block step failed
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
            S.SCHEDULED,  # the concurrency group has a free place
            S.CANCELED,
            S.EXPIRED,
        }
    ),
    S.SCHEDULED: frozenset(
        {
            S.RESERVED,  # a stack reserved the job
            S.ASSIGNED,  # the job was offered to a polling agent
            S.ACCEPTED,  # an agent acquired the job by its id
            S.FINISHED,  # a stack finished the job
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
            S.SCHEDULED,  # the agent went away before accepting
            S.CANCELED,
        }
    ),
    S.ACCEPTED: frozenset(
        {
            S.RUNNING,  # the agent started the job
            S.FINISHED,  # the agent was lost
            S.CANCELING,
        }
    ),
    S.RUNNING: frozenset(
        {
            S.FINISHED,  # the agent finished the job, or was lost
            S.CANCELING,
            S.TIMING_OUT,  # timeout_in_minutes passed since the start
        }
    ),
    S.CANCELING: frozenset(
        {
            S.CANCELED,  # the agent finished the job, or was lost
        }
    ),
    S.TIMING_OUT: frozenset(
        {
            S.TIMED_OUT,  # the agent finished the job, or was lost
            S.FINISHED,  # exit status 0: the job passed (buildkite/docs build_timeouts.md)
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
"""States without further transitions by themselves."""

HELD = frozenset({S.WAITING, S.BLOCKED, S.LIMITED})
"""States in which no agent may take the job yet."""

WITH_AGENT = frozenset({S.ASSIGNED, S.ACCEPTED, S.RUNNING, S.CANCELING, S.TIMING_OUT})
"""States in which the job is assigned to an agent."""


class IllegalTransitionError(Exception):
    """The emulator attempted an undefined transition: a bug, never an answer to a client."""


def check(before: JobState, after: JobState) -> None:
    """Do nothing for an allowed transition.

    Raises:
        IllegalTransitionError: the transition is not defined.
    """
    if after not in TRANSITIONS[before]:
        raise IllegalTransitionError(f"{before} -> {after}")
