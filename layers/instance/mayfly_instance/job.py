"""The one job of this host: start, watch and end of the agent, and reasons to stop the agent."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable

from mayfly_instance import agent, causes, containers, docker, giving, job_secrets
from mayfly_instance.context import Context
from mayfly_instance.failure import GoingDown
from mayfly_instance.firewall import Open
from mayfly_instance.machine import Running
from mayfly_instance.memory import KillCount
from mayfly_instance.notices import interruption, stop_time
from mayfly_instance.proc import has_children
from mayfly_instance.reports import Reporter
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.grace import grace_seconds
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import REFUSED
from mayfly_protocol.slugs import folders
from mayfly_protocol.words import Root

_REPORT_SECONDS = 5.0
_REFUSAL = re.compile(rf"{REFUSED}.{{1,500}}")
_NO_KEY = re.compile(r"mayfly: there is no ssh key for ([A-Za-z0-9.-]{1,253})$", re.MULTILINE)
"""What `hooks/policy.py` writes; no other line of the log is interpreted. Only a job that has begun
could write the like, into no other log than its own."""
_KEY_LOOK = 1.0
"""Seconds between two looks for a missing key. A checkout without one takes the agent four seconds:
three attempts, two seconds apart (seen with 3.83.1)."""
_KEY_LOOKS = 60


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


@dataclass(frozen=True)
class Start:
    """All that an agent's start needs."""

    installed: agent.Agent
    assignment: Assignment
    given: giving.Given


def run(context: Context, reporter: Reporter, start: Start, looks: Looks) -> Ending:
    """Run the agent for the assignment and kill its scope afterwards, also after an exception.

    Returns the agent's end. Raises HostFailure if the agent cannot be started, Open if IMDS is open
    to the job and stays so.
    """
    assignment = start.assignment
    reporter.step(f"starting the agent for job {assignment.job}")
    running: Running | None = None
    try:
        environment = {**_session(context, assignment.root), **start.given.variables}
        running = agent.start(context.machine, start.installed, assignment, environment)
        reporter.try_send(Phase.RUNNING, _REPORT_SECONDS)
        ending = watch(running, context, reporter, start, looks)
    except Open:
        # Each second of the agent's grace period would be one in which the job reaches IMDS.
        raise
    except BaseException as error:
        # The supervisor is being stopped or has a bug: end the job now, not by a lost agent later.
        if running is not None:
            down = isinstance(error, GoingDown)
            with _noting_errors(reporter):
                causes.tell(context.machine, causes.GOING_DOWN if down else causes.BROKEN)
            _stop(running, context, assignment)
        raise
    finally:
        # Also after a stop during the start: the agent may already be running.
        context.machine.kill_scope(agent.UNIT)
        context.machine.kill_scope(docker.UNIT)
        with _noting_errors(reporter):
            giving.take_back(context.machine)
        if start.given.role is not None:
            start.given.role.end()
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
    start: Start,
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
    stop = _Stop()
    announced, condemned = None, ""
    assignment = start.assignment
    key = _MissingKey(context, reporter, assignment)
    role = _LostRole(context, reporter, start.given)
    killed = KillCount(context.machine, running.pid)
    while (code := running.poll()) is None:
        now = clock.seconds()
        if killed.look():
            reporter.note(str(killed.kills))
            with _noting_errors(reporter):
                causes.link_hook(context.machine)
        key.look(now)
        if now >= next_look:
            next_look = now + limits.notices
            # Also after SIGQUIT: the agent and what is left of the job may take long to end.
            condemned = looks.opened() or condemned
            role.look()
            announced = announced or _report_notice(looks.notice(), reporter)
            if has_children(context.machine.processes(), running.pid):
                childless_since = now
        if quit_at is None:
            stop = _stop_for(now - began, assignment, announced, condemned, context)
            if stop.reason:
                reporter.step(f"stopping the agent: {stop.reason}")
                with _noting_errors(reporter):
                    causes.tell(context.machine, stop.told)
                running.send_signal(signal.SIGQUIT)
                quit_at = now
        if now - (childless_since if quit_at is None else quit_at) >= limits.delivery:
            stop = stop if stop.reason else _Stop("the agent did not end after its job")
            break
        killed.wait(clock, limits.watch)
    killed.look()
    killed.close()
    return Ending(code, "; ".join(filter(None, (stop.reason, str(killed.kills)))))


@dataclass(frozen=True)
class _Stop:
    """Why the host stops the agent: for the operators, and in the words of the job's log."""

    reason: str = ""
    told: str = ""


class _MissingKey:
    """Looks in the agent's log for what the check before the job says about keys for ssh."""

    def __init__(self, context: Context, reporter: Reporter, assignment: Assignment) -> None:
        self._context = context
        self._reporter = reporter
        self._queue = assignment.queue
        self._looked_for = _names_of_keys(assignment)
        self._next = context.clock.seconds() + _KEY_LOOK
        self._left = _KEY_LOOKS

    def look(self, now: float) -> None:
        """Look, at most once in `_KEY_LOOK`, and let the job's log tell of a missing key."""
        if now < self._next or self._left <= 0:
            return
        self._next, self._left = now + _KEY_LOOK, self._left - 1
        found = _NO_KEY.search(self._context.log_tail(agent.LOG))
        if found is None:
            return
        self._left = 0
        with _noting_errors(self._reporter):
            causes.tell_if_checkout_fails(
                self._context.machine, self._queue, found[1], self._looked_for
            )


class _LostRole:
    """Looks whether the job still has its role, and lets console and log tell of it."""

    def __init__(self, context: Context, reporter: Reporter, given: giving.Given) -> None:
        self._machine = context.machine
        self._reporter = reporter
        self._role = given.role
        self._told = False

    def look(self) -> None:
        """Note what happened to the role; tell the job's log once, when it has none any more."""
        if self._role is None:
            return
        renewal = self._role.renewal
        for line in renewal.notes():
            self._reporter.note(line)
        if not self._told and (why := renewal.lost()):
            self._told = True
            with _noting_errors(self._reporter):
                causes.tell_lost_role(self._machine, why)


def _names_of_keys(assignment: Assignment) -> tuple[str, ...]:
    """Full names of the parameters that could hold a key for the job's checkout."""
    grants = assignment.grants
    if grants is None or grants.secrets is None:
        return ()
    _, *own = folders(grants.facts.pipeline, grants.facts.repository)
    return tuple(f"{grants.secrets.path}/{folder}/{job_secrets.KEY}" for folder in own)


@contextmanager
def _noting_errors(reporter: Reporter) -> Iterator[None]:
    """Note an OSError because of which the job's log does not tell a cause; the job goes on."""
    try:
        yield
    except OSError as error:
        # A full disk, say. The report tells the operators.
        reporter.note(f"the job's log does not tell the cause: {error}")


def _report_notice(announced: str | None, reporter: Reporter) -> str | None:
    if announced is not None:
        reporter.remember(notice=announced)
        reporter.try_send(Phase.RUNNING, _REPORT_SECONDS)
    return announced


def _stop_for(
    ran: float, assignment: Assignment, announced: str | None, condemned: str, context: Context
) -> _Stop:
    """The first reason to stop the agent now; without one, an empty reason."""
    minutes = assignment.max_minutes
    if condemned:
        return _Stop(f"{condemned} while the job ran", causes.condemned(condemned))
    if ran >= minutes * 60:
        return _Stop(f"the job ran for its limit of {minutes} minutes", causes.limit(minutes))
    if announced is None:
        return _Stop()
    now = context.clock.now()
    margin = grace_seconds(assignment.config) + context.limits.spot_delivery
    if now < stop_time(announced, now, margin):
        return _Stop()
    at = interruption(announced)
    told = causes.spot(f"{at:%H:%M:%S} UTC" if at else "")
    return _Stop(f"the spot instance is taken at {announced}", told)


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
