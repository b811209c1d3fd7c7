"""The one job of this host: the agent from its start to its end, and what may end it early."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from mayfly_instance import agent
from mayfly_instance.machine import Running
from mayfly_instance.notices import stop_at
from mayfly_instance.proc import has_children
from mayfly_instance.reports import Reporter
from mayfly_instance.scene import Scene
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.phases import Phase

_TELL = 5.0
_WORDS = 8 * 1024
_REFUSAL = re.compile(r"the job is refused: .{1,500}")
"""What `hooks/policy.py` says; of the rest of the log nothing is made."""


@dataclass(frozen=True)
class Ending:
    """How the agent ended. Its exit code does not say how the job did: Buildkite knows that.

    27: the job was taken by another; 0 and 1: ask Buildkite for the job's state.
    """

    code: int | None
    """None: it did not end, and was killed."""
    reason: str = ""
    """Why the host stopped it; empty: it ended by itself."""
    words: str = ""
    """The end of its log, where it did not end well."""


def run(
    scene: Scene,
    reporter: Reporter,
    installed: agent.Agent,
    assignment: Assignment,
    notice: Callable[[], str | None],
) -> Ending:
    """Run the agent for the assignment. Whatever happens, its scope is empty at the end.

    `notice` gives the time of a spot interruption, if one is announced. Raises HostFailure when the
    agent cannot be started.
    """
    reporter.step(f"starting the agent for job {assignment.job}")
    running: Running | None = None
    try:
        running = agent.start(scene.machine, installed, assignment, scene.passed_on())
        reporter.tell(Phase.RUNNING, _TELL)
        ending = watch(running, scene, reporter, assignment.max_minutes, notice)
    except BaseException:
        # The supervisor is being stopped, or is broken: the job fails now, not by silence later.
        if running is not None:
            _stop(running, scene)
        raise
    finally:
        # Also when the supervisor was stopped at the very start: the agent may be there by then.
        scene.machine.kill_scope(agent.UNIT)
    words = scene.scrub(_tail(scene.places.logs / agent.LOG))
    refusal = _REFUSAL.search(words)
    if refusal:
        # The job's page shows only that a hook refused it, and the agent ends as after any job.
        return Ending(ending.code, ending.reason or refusal[0], words)
    return ending if ending.code == 0 else Ending(ending.code, ending.reason, words)


def watch(
    running: Running,
    scene: Scene,
    reporter: Reporter,
    max_minutes: int,
    notice: Callable[[], str | None],
) -> Ending:
    """Wait for the agent's end. At a limit it gets SIGQUIT, which cancels the job at once.

    An agent without a child is not running the job any more (or not yet): it has `delivery`
    seconds to tell Buildkite, and as much after SIGQUIT.
    """
    clock, limits = scene.clock, scene.limits
    began = alone_since = clock.seconds()
    next_look = began + limits.notices
    quit_at: float | None = None
    reason, announced = "", None
    while (code := running.poll()) is None:
        now = clock.seconds()
        if now >= next_look:
            next_look = now + limits.notices
            announced = announced or _hear(notice(), reporter)
            if has_children(scene.machine.processes(), running.pid):
                alone_since = now
        if quit_at is None:
            reason = _why_stop(now - began, max_minutes, announced, scene)
            if reason:
                reporter.step(f"stopping the agent: {reason}")
                running.send_signal(signal.SIGQUIT)
                quit_at = now
        if now - (alone_since if quit_at is None else quit_at) >= limits.delivery:
            return Ending(None, reason or "the agent did not end after its job")
        clock.sleep(limits.watch)
    return Ending(code, reason)


def _hear(announced: str | None, reporter: Reporter) -> str | None:
    if announced is not None:
        reporter.remember(notice=announced)
        reporter.tell(Phase.RUNNING, _TELL)
    return announced


def _why_stop(ran: float, max_minutes: int, announced: str | None, scene: Scene) -> str:
    if ran >= max_minutes * 60:
        return f"the job ran for its limit of {max_minutes} minutes"
    now = scene.clock.now()
    if announced is not None and now >= stop_at(announced, now, scene.limits.spot_margin):
        return f"the spot instance is taken at {announced}"
    return ""


def _stop(running: Running, scene: Scene) -> None:
    running.send_signal(signal.SIGQUIT)
    until = scene.clock.seconds() + scene.limits.shutdown
    while running.poll() is None and scene.clock.seconds() < until:
        scene.clock.sleep(scene.limits.watch)


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _WORDS))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
