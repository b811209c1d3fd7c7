"""The one job of this host: start, watch and end of the agent, and reasons to stop the agent."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Callable

from mayfly_instance import agent, containers, docker, image
from mayfly_instance.context import Context
from mayfly_instance.firewall import Open
from mayfly_instance.machine import Running
from mayfly_instance.memory import KillCount
from mayfly_instance.notices import stop_time
from mayfly_instance.proc import has_children
from mayfly_instance.reports import Reporter
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.grace import grace_seconds
from mayfly_protocol.phases import Phase
from mayfly_protocol.words import Root

_REPORT_SECONDS = 5.0
_REFUSAL = re.compile(r"the job is refused: .{1,500}")
"""The refusal by `hooks/policy.py`; no other line of the log is interpreted."""


@dataclass(frozen=True)
class Ending:
    """The end of the agent. Its exit code does not tell the job's outcome: Buildkite knows that.

    27: another agent took the job; 0 and 1: ask Buildkite for the job's state.
    """

    code: int | None
    """The agent's exit code; None: the host killed the agent."""
    reason: str = ""
    """Why the host stopped the agent, and what the kernel killed for lack of memory; else empty."""
    words: str = ""
    """The end of the agent's log; empty if the agent ended with 0."""


@dataclass(frozen=True)
class Looks:
    """What the host looks at every `limits.notices` seconds while the agent runs."""

    notice: Callable[[], str | None]
    """Returns the time of an announced spot interruption, else None."""
    opened: Callable[[], str]
    """Returns why IMDS may have been open to the job, else an empty text. Raises Open."""


def run(
    context: Context,
    reporter: Reporter,
    installed: agent.Agent,
    assignment: Assignment,
    looks: Looks,
) -> Ending:
    """Run the agent for the assignment and kill its scope afterwards, also after an exception.

    Returns the agent's end. Raises HostFailure if the agent cannot be started, Open if IMDS is open
    to the job and stays so.
    """
    reporter.step(f"starting the agent for job {assignment.job}")
    running: Running | None = None
    try:
        environment = _session(context, assignment.root)
        running = agent.start(context.machine, installed, assignment, environment)
        reporter.try_send(Phase.RUNNING, _REPORT_SECONDS)
        ending = watch(running, context, reporter, assignment, looks)
    except Open:
        # Each second of the agent's grace period would be one in which the job reaches IMDS.
        raise
    except BaseException:
        # The supervisor is being stopped or has a bug: end the job now, not by a lost agent later.
        if running is not None:
            _stop(running, context, assignment)
        raise
    finally:
        # Also after a stop during the start: the agent may already be running.
        context.machine.kill_scope(agent.UNIT)
        context.machine.kill_scope(docker.UNIT)
    words = context.log_tail(agent.LOG)
    refusal = _REFUSAL.search(words)
    if refusal:
        # The job's page shows only that a hook refused the job, and the agent's exit code is 0.
        return Ending(ending.code, ending.reason or refusal[0], words)
    return ending if ending.code == 0 else Ending(ending.code, ending.reason, words)


def watch(
    running: Running,
    context: Context,
    reporter: Reporter,
    assignment: Assignment,
    looks: Looks,
) -> Ending:
    """Wait for the agent's end and return it. At a limit send SIGQUIT, which cancels the job.

    An agent without a child process has no job running, not yet or no longer: it gets
    `limits.delivery` seconds to deliver the log, and again as many after SIGQUIT. An agent that is
    still there is returned with code None. Raises Open (see `run`).
    """
    clock, limits = context.clock, context.limits
    began = childless_since = clock.seconds()
    next_look = began + limits.notices
    quit_at: float | None = None
    reason, announced, condemned = "", None, ""
    killed = KillCount(context.machine, running.pid)
    while (code := running.poll()) is None:
        now = clock.seconds()
        if killed.look():
            reporter.note(str(killed.kills))
            _tell_job(context, reporter)
        if now >= next_look:
            next_look = now + limits.notices
            # Also after SIGQUIT: the agent and what is left of the job may take long to end.
            condemned = looks.opened() or condemned
            announced = announced or _report_notice(looks.notice(), reporter)
            if has_children(context.machine.processes(), running.pid):
                childless_since = now
        if quit_at is None:
            reason = f"{condemned} while the job ran" if condemned else ""
            reason = reason or _stop_reason(now - began, assignment, announced, context)
            if reason:
                reporter.step(f"stopping the agent: {reason}")
                running.send_signal(signal.SIGQUIT)
                quit_at = now
        if now - (childless_since if quit_at is None else quit_at) >= limits.delivery:
            reason = reason or "the agent did not end after its job"
            break
        killed.wait(clock, limits.watch)
    killed.look()
    killed.close()
    return Ending(code, "; ".join(filter(None, (reason, str(killed.kills)))))


def _tell_job(context: Context, reporter: Reporter) -> None:
    try:
        image.tell_kills(context.machine)
    except OSError as error:
        # A full disk, say. The job goes on, and the report tells the operators.
        reporter.note(f"the job's log does not tell it: {error}")


def _report_notice(announced: str | None, reporter: Reporter) -> str | None:
    if announced is not None:
        reporter.remember(notice=announced)
        reporter.try_send(Phase.RUNNING, _REPORT_SECONDS)
    return announced


def _stop_reason(
    ran: float, assignment: Assignment, announced: str | None, context: Context
) -> str:
    if ran >= assignment.max_minutes * 60:
        return f"the job ran for its limit of {assignment.max_minutes} minutes"
    if announced is None:
        return ""
    now = context.clock.now()
    margin = grace_seconds(assignment.config) + context.limits.spot_delivery
    taken = now >= stop_time(announced, now, margin)
    return f"the spot instance is taken at {announced}" if taken else ""


def _stop(running: Running, context: Context, assignment: Assignment) -> None:
    running.send_signal(signal.SIGQUIT)
    grace = grace_seconds(assignment.config)
    until = context.clock.seconds() + grace + context.limits.shutdown
    while running.poll() is None and context.clock.seconds() < until:
        context.clock.sleep(context.limits.watch)


def _session(context: Context, root: Root) -> dict[str, str]:
    """What the agent inherits, after the start of what `root` asks for. Raises HostFailure."""
    inherited = context.inherited_environment()
    if root is Root.YES:
        return inherited
    runtime = containers.runtime_directory(context.machine)
    session = {"XDG_RUNTIME_DIR": str(runtime)}
    return {**inherited, **session, **docker.start(context, root, runtime)}
