"""Prints the events of a lab as they happen."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from buildkite_emulator import JobEvent, JobState, JobView
from mayfly.records.model import Instance
from mayfly_lab.report import screen, show
from mayfly_lab.report.board import Board
from mayfly_lab.report.logs import Logs, readable, without_git

_SILENT = frozenset({JobState.WAITING, JobState.SCHEDULED, JobState.ACCEPTED})


@dataclass(slots=True)
class LiveReport:
    """Prints events with the seconds since its creation. Thread-safe.

    On a terminal `board` adds a table of what has not ended, below the events.
    """

    log_of: Callable[[str], bytes] = lambda _: b""
    """Returns a job's log by the job's id."""
    logs: Logs = Logs.NONE
    began: float = field(default_factory=time.time)
    colour: bool = field(default_factory=screen.has_colour)
    _told: set[tuple[str, str]] = field(default_factory=set)
    _jobs: dict[str, JobView] = field(default_factory=dict)
    _instances: tuple[Instance, ...] = ()
    _live: Live | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, line: str) -> None:
        """Print one event with its time, at once, in as many lines as it needs."""
        self.table(screen.timed(time.time() - self.began, line))

    def table(self, lines: Iterable[str]) -> None:
        """Print lines of the report, in colour on a terminal."""
        self.lines(map(screen.painted, lines) if self.colour else lines)

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines unchanged and unbroken by other threads' lines."""
        with self._lock:
            if self._live is not None:
                for line in lines:
                    self._live.console.print(Text.from_ansi(line), soft_wrap=True)
                return
            try:
                sys.stdout.write("".join(f"{line}\n" for line in lines))
                sys.stdout.flush()
            except BrokenPipeError:
                # The reader is gone, as behind `| head`. The run goes on, so that it clears up.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def on_job(self, event: JobEvent) -> None:
        """Print a job's new state, and its log when the job has ended."""
        job = event.job
        self._jobs[job.id] = job
        if job.state in _SILENT:
            return
        how = f" ({job.outcome})" if job.outcome not in {None, job.state} else ""
        if job.missing and job.state is JobState.WAITING_FAILED:
            how = f": no step has the key {', '.join(map(repr, job.missing))}"
        where = f" on {job.agent_name}" if job.agent_name and not job.outcome else ""
        self.say(f"{show.plain(job.name)}: {job.state}{how}{where}")
        if job.outcome is not None and self._shows(job.outcome):
            lines = without_git(readable(self.log_of(job.id)), whole=job.outcome != "passed")
            self.lines(f"        | {line}" for line in lines)

    def on_instances(self, found: Iterable[Instance]) -> None:
        """Print every state of an instance once."""
        self._instances = tuple(found)
        for instance in self._instances:
            step = (str(instance.key), instance.state)
            if step not in self._told and instance.instance_id:
                self._told.add(step)
                reason = show.named(instance.reason, self._names())
                self.say(f"{instance.instance_id} {instance.state}: {reason}")

    @contextmanager
    def board(self) -> Iterator[None]:
        """Show the table until the end of the context; elsewhere than on a terminal do nothing."""
        if not self.colour:
            yield
            return
        live = Live(
            get_renderable=self._board,
            console=Console(width=min(Console().width, screen.WIDTH), highlight=False),
            transient=True,
            redirect_stdout=False,
        )
        with live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the table away until the end of the context, so that a question can be asked."""
        live = self._live
        if live is None:
            yield
            return
        with self._lock:
            live.stop()
            self._live = None
        try:
            yield
        finally:
            live.start()
            self._live = live

    def _board(self) -> RenderableType:
        now = time.time()
        jobs = tuple(self._jobs.values())
        board = Board(jobs, self._instances, datetime.fromtimestamp(now, UTC), now - self.began)
        console = Console()
        return board.shown(console.height, console.width)

    def _names(self) -> Mapping[str, str]:
        return {job: show.plain(view.name) for job, view in tuple(self._jobs.items())}

    def _shows(self, outcome: str) -> bool:
        return self.logs is Logs.ALL or (self.logs is Logs.FAILED and outcome != "passed")
