"""What can happen to one job: pure functions from a job and a moment to the job after it.

Each function states who causes the change. What a change means for the rest of the build (retries,
steps that wait) is in `builds`.
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
    """How a job ended, in Buildkite's words; None while it has not."""
    if job.state not in ENDED:
        return None
    if job.state is not JobState.FINISHED:
        return str(job.state)
    status = job.exit_status or 0
    if status == 0:
        return "passed"
    return "soft_failed" if job.step.soft_fail.forgives(status) else "failed"


def schedule(job: Job, now: datetime) -> Job:
    """All that the job waited for is there: stacks and agents can see it."""
    return _move(job, JobState.SCHEDULED, timeline=replace(job.timeline, runnable=now))


def may_reserve(job: Job, stack_key: str) -> bool:
    """Whether this stack can take or extend a reservation."""
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
    """The reservation ran out, or the agent that it was offered to is gone."""
    return _move(job, JobState.SCHEDULED, reservation=None, agent_id=None)


def assign(job: Job, agent: Agent) -> Job:
    """The job is offered to an agent that polls."""
    return _move(job, JobState.ASSIGNED, agent_id=agent.id)


def acquire(job: Job, agent: Agent, token: str, now: datetime) -> Job:
    """An agent takes the job by its id; a repeat by the same agent gets the same answer.

    The repeat is what an agent sends after a lost answer. What Buildkite does then, no source says;
    a refusal would lose the job, as the agent exits.

    Raises:
        RefusedError: 423 while the job waits for others, 422 when it is taken or over.
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
    """The agent that the job was offered to takes it.

    Raises:
        RefusedError: 422 when it was not offered to this agent.
    """
    if job.state is not JobState.ASSIGNED or job.agent_id != agent.id:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be accepted")
    return _taken(job, agent, token, now)


def start(job: Job, now: datetime) -> Job:
    """The agent starts the job; a repeat of the call, and one after a cancel, changes nothing.

    Raises:
        RefusedError: 422 when there is nothing to start.
    """
    if job.state in {JobState.RUNNING, JobState.CANCELING}:
        return job
    if job.state is not JobState.ACCEPTED:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be started")
    return _move(job, JobState.RUNNING, timeline=replace(job.timeline, started=now))


def log(job: Job, now: datetime) -> Job:
    """A chunk of the log arrived.

    Raises:
        RefusedError: 422 when the job is not running.
    """
    if job.state not in _LOGGING:
        raise unprocessable(f"Job {job.id} is {job.state} and takes no log")
    if job.timeline.first_output is not None:
        return job
    return replace(job, timeline=replace(job.timeline, first_output=now))


def finish(
    job: Job, exit_status: int, signal: str | None, signal_reason: str | None, now: datetime
) -> Job:
    """The agent reports the end.

    Raises:
        RefusedError: 422 when the job is not running; never 404, which old agents retry for hours.
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
    """A stack says that it cannot or will not run the job.

    Raises:
        RefusedError: 422 when an agent has it, another stack reserved it, or it is over.
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
    """Somebody cancels the job: at once while no agent has it, else the agent is asked to stop.

    Raises:
        RefusedError: 422 when the job is over or already stops for another reason.
    """
    if job.state is JobState.CANCELING:
        return job
    if job.state in _CANCELED_AT_ONCE:
        return _end(job, JobState.CANCELED, now)
    if job.state not in {JobState.ACCEPTED, JobState.RUNNING}:
        raise unprocessable(f"Job {job.id} is {job.state} and cannot be canceled")
    return _move(job, JobState.CANCELING)


def end_by_force(job: Job, now: datetime) -> Job:
    """A cancel with force: its agent has not reported the end within the grace."""
    return _end(job, JobState.CANCELED, now)


def lose_agent(job: Job, now: datetime) -> Job:
    """The agent was not heard for too long (or never took what it was offered)."""
    if job.state is JobState.ASSIGNED:
        return release(job)
    after = {JobState.CANCELING: JobState.CANCELED, JobState.TIMING_OUT: JobState.TIMED_OUT}
    ended = after.get(job.state, JobState.FINISHED)
    return _end(job, ended, now, exit_status=LOST_EXIT_STATUS)


def time_out(job: Job) -> Job:
    """`timeout_in_minutes` has passed since the start: the agent is asked to stop."""
    return _move(job, JobState.TIMING_OUT)


def expire(job: Job, now: datetime) -> Job:
    """Nobody ran the job within the organisation's limit."""
    return _end(job, JobState.EXPIRED, now)


def times_out_at(job: Job) -> datetime | None:
    """When the job's own time limit ends; None without one or before the start."""
    if job.step.timeout_minutes is None or job.timeline.started is None:
        return None
    return job.timeline.started + timedelta(minutes=job.step.timeout_minutes)


def notify(job: Job, notice: Notice) -> Job:
    """A stack leaves a line on the job's page; the caller has checked the limits."""
    return replace(job, notices=(*job.notices, notice))


def block(job: Job) -> Job:
    """All that is left to wait for is a block step."""
    return _move(job, JobState.BLOCKED)


def limit(job: Job) -> Job:
    """Nothing holds the job but its concurrency group."""
    return _move(job, JobState.LIMITED)


def wait_failed(job: Job) -> Job:
    """Something that the job waits for failed."""
    blocked = job.state is JobState.BLOCKED
    return _move(job, JobState.BLOCKED_FAILED if blocked else JobState.WAITING_FAILED)


def wait_again(job: Job) -> Job:
    """What had failed is being retried, or a block step is no longer what it waits for."""
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
    # Without its token and reservation nobody can speak for a job that is over.
    timeline = replace(job.timeline, finished=now)
    return _move(job, state, timeline=timeline, token=None, reservation=None, **changes)


def _move(job: Job, state: JobState, **changes: Any) -> Job:
    check(job.state, state)
    return replace(job, state=state, **changes)
