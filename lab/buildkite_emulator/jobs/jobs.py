"""Transitions of one job: pure functions from a job and a time to the changed job.

Each function names the cause of the change. The effects on the rest of the build (retries, steps
that wait) are in `builds`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from buildkite_emulator.memory.records import Agent, Job, Notice, Reservation
from buildkite_emulator.serving.refusals import RefusedError, unprocessable

from .states import ENDED, HELD, JobState, check

LOST_EXIT_STATUS = -1
STACK_ERROR = "stack_error"
LOCKED_RETRY_AFTER = "2"
NOTICES_PER_JOB = 100

_ACQUIRABLE = frozenset({JobState.SCHEDULED, JobState.RESERVED})
_WITH_STACK = frozenset({JobState.SCHEDULED, JobState.RESERVED})
_CANCELED_AT_ONCE = HELD | {JobState.SCHEDULED, JobState.RESERVED, JobState.ASSIGNED}
_FINISHABLE = frozenset({JobState.RUNNING, JobState.CANCELING, JobState.TIMING_OUT})
_LOGGING = _FINISHABLE


def outcome(job: Job) -> str | None:
    """The job's outcome in Buildkite's words; None for an open job."""
    if job.state not in ENDED:
        return None
    if job.state is not JobState.FINISHED:
        return str(job.state)
    status = job.exit_status or 0
    if status == 0:
        return "passed"
    return "soft_failed" if job.step.soft_fail.forgives(status) else "failed"


def schedule(job: Job, now: datetime) -> Job:
    """All dependencies of the job are met: stacks and agents can see it."""
    return _move(job, JobState.SCHEDULED, timeline=replace(job.timeline, runnable=now))


def may_reserve(job: Job, stack_key: str) -> bool:
    """True if this stack may reserve the job, or extend its own reservation."""
    if job.state is JobState.RESERVED:
        return job.reservation is not None and job.reservation.stack_key == stack_key
    return job.state is JobState.SCHEDULED


def reserve(job: Job, stack_key: str, until: datetime, now: datetime) -> Job:
    """A stack reserves the job, or extends its own reservation of it."""
    reservation = Reservation(stack_key, until)
    if job.state is JobState.RESERVED:
        return replace(job, reservation=reservation)
    timeline = replace(job.timeline, reserved=job.timeline.reserved or now)
    return _move(job, JobState.RESERVED, reservation=reservation, timeline=timeline)


def release(job: Job) -> Job:
    """The reservation expired, or the agent that the job was offered to is gone."""
    return _move(job, JobState.SCHEDULED, reservation=None, agent_id=None)


def assign(job: Job, agent: Agent) -> Job:
    """The job is offered to a polling agent."""
    return _move(job, JobState.ASSIGNED, agent_id=agent.id)


def acquire(job: Job, agent: Agent, token: str, now: datetime) -> Job:
    """An agent acquires the job by its id. A repeat by the same agent changes nothing.

    Agents repeat the call after a lost answer. No source names Buildkite's answer to the repeat; a
    refusal would lose the job, because the agent exits.

    Raises:
        RefusedError: 423 while the job waits for others, 422 for a job that is taken or over.
    """
    if job.state in HELD:
        message = f"Job {job.id} is not yet eligible to be assigned"
        raise RefusedError(423, message, headers={"Retry-After": LOCKED_RETRY_AFTER})
    if job.state is JobState.ACCEPTED and job.agent_id == agent.id:
        return job
    if job.state not in _ACQUIRABLE:
        raise unprocessable(f"Job {job.id} is {job.state} and is no longer eligible to be acquired")
    return _taken(job, agent, token, now)


def accept(job: Job, agent: Agent, token: str, now: datetime) -> Job:
    """The agent accepts the job that it was offered.

    Raises:
        RefusedError: 422 for a job that was not offered to this agent.
    """
    if job.state is not JobState.ASSIGNED or job.agent_id != agent.id:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be accepted")
    return _taken(job, agent, token, now)


def start(job: Job, now: datetime) -> Job:
    """The agent starts the job. A repeat, or a start after a cancel, changes nothing.

    Raises:
        RefusedError: 422 for a job that is not accepted.
    """
    if job.state in {JobState.RUNNING, JobState.CANCELING}:
        return job
    if job.state is not JobState.ACCEPTED:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be started")
    return _move(job, JobState.RUNNING, timeline=replace(job.timeline, started=now))


def log(job: Job, now: datetime) -> Job:
    """A log chunk arrived; the first one is noted in the timeline.

    Raises:
        RefusedError: 422 for a job that is not running.
    """
    if job.state not in _LOGGING:
        raise unprocessable(f"Job {job.id} is {job.state} and takes no log")
    if job.timeline.first_output is not None:
        return job
    return replace(job, timeline=replace(job.timeline, first_output=now))


def finish(
    job: Job, exit_status: int, signal: str | None, signal_reason: str | None, now: datetime
) -> Job:
    """The agent reports the end of the job.

    Raises:
        RefusedError: 422 for a job that is not running; never 404, which old agents retry for
            hours.
    """
    if job.state not in _FINISHABLE:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be finished")
    if job.state is JobState.CANCELING:
        after = JobState.CANCELED
    elif job.state is JobState.TIMING_OUT and exit_status != 0:
        after = JobState.TIMED_OUT
    else:
        after = JobState.FINISHED
    return _end(
        job, after, now, exit_status=exit_status, signal=signal, signal_reason=signal_reason
    )


def finish_by_stack(job: Job, stack_key: str, exit_status: int, detail: str, now: datetime) -> Job:
    """A stack finishes a job that it cannot or will not run.

    Raises:
        RefusedError: 422 for a job that an agent has, another stack reserved, or that is over.
    """
    foreign = job.reservation is not None and job.reservation.stack_key != stack_key
    if job.state not in _WITH_STACK or foreign:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be finished by a stack")
    return _end(
        job,
        JobState.FINISHED,
        now,
        exit_status=exit_status,
        signal_reason=STACK_ERROR,
        detail=detail,
    )


def cancel(job: Job, now: datetime) -> Job:
    """A person or job cancels: at once before an agent has it; else its agent is asked to stop.

    Raises:
        RefusedError: 422 for a job that is over or already stops for another reason.
    """
    if job.state is JobState.CANCELING:
        return job
    if job.state in _CANCELED_AT_ONCE:
        return _end(job, JobState.CANCELED, now)
    if job.state not in {JobState.ACCEPTED, JobState.RUNNING}:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be canceled")
    return _move(job, JobState.CANCELING)


def end_by_force(job: Job, now: datetime) -> Job:
    """A forced cancel: the agent did not report the end within the grace period."""
    return _end(job, JobState.CANCELED, now)


def lose_agent(job: Job, now: datetime) -> Job:
    """The agent was silent for too long, or never accepted the offered job."""
    if job.state is JobState.ASSIGNED:
        return release(job)
    after = {JobState.CANCELING: JobState.CANCELED, JobState.TIMING_OUT: JobState.TIMED_OUT}
    ended = after.get(job.state, JobState.FINISHED)
    return _end(job, ended, now, exit_status=LOST_EXIT_STATUS)


def time_out(job: Job) -> Job:
    """`timeout_in_minutes` has passed since the start: the agent is asked to stop."""
    return _move(job, JobState.TIMING_OUT)


def expire(job: Job, now: datetime) -> Job:
    """No agent ran the job within the organisation's limit."""
    return _end(job, JobState.EXPIRED, now)


def times_out_at(job: Job) -> datetime | None:
    """The end of the job's own time limit; None without a limit or before the start."""
    if job.step.timeout_minutes is None or job.timeline.started is None:
        return None
    return job.timeline.started + timedelta(minutes=job.step.timeout_minutes)


def notify(job: Job, notice: Notice) -> Job:
    """A stack adds a notification to the job's page; the caller checks the limits."""
    return replace(job, notices=(*job.notices, notice))


def block(job: Job) -> Job:
    """The job's only open dependency is a block step."""
    return _move(job, JobState.BLOCKED)


def limit(job: Job) -> Job:
    """Only the concurrency group holds the job back."""
    return _move(job, JobState.LIMITED)


def wait_failed(job: Job) -> Job:
    """A dependency of the job failed."""
    blocked = job.state is JobState.BLOCKED
    return _move(job, JobState.BLOCKED_FAILED if blocked else JobState.WAITING_FAILED)


def wait_again(job: Job) -> Job:
    """A failed dependency is being retried, or no block step holds the job any more."""
    return _move(job, JobState.WAITING)


def _taken(job: Job, agent: Agent, token: str, now: datetime) -> Job:
    timeline = replace(job.timeline, accepted=now)
    return _move(
        job,
        JobState.ACCEPTED,
        agent_id=agent.id,
        token=token,
        reservation=None,
        timeline=timeline,
    )


def _end(job: Job, state: JobState, now: datetime, **changes: Any) -> Job:
    # Calls with the token or the reservation of an ended job must fail.
    timeline = replace(job.timeline, finished=now)
    return _move(job, state, timeline=timeline, token=None, reservation=None, **changes)


def _move(job: Job, state: JobState, **changes: Any) -> Job:
    check(job.state, state)
    return replace(job, state=state, **changes)
