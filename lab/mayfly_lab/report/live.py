"""Prints the events of a lab as they happen."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from buildkite_emulator import JobEvent, JobState
from mayfly.records.model import Instance
from mayfly_lab.report import screen, show
from mayfly_lab.report.logs import Logs, readable

_SILENT = frozenset({JobState.WAITING, JobState.SCHEDULED, JobState.ACCEPTED})


@dataclass(slots=True)
class LiveReport:
    """Prints events with the seconds since its creation. Thread-safe."""

    log_of: Callable[[str], bytes] = lambda _: b""
    """Returns a job's log by the job's id."""
    logs: Logs = Logs.NONE
    began: float = field(default_factory=time.time)
    colour: bool = field(default_factory=screen.has_colour)
    _told: set[tuple[str, str]] = field(default_factory=set)
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
            try:
                sys.stdout.write("".join(f"{line}\n" for line in lines))
                sys.stdout.flush()
            except BrokenPipeError:
                # The reader is gone, as behind `| head`. The run goes on, so that it clears up.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def on_job(self, event: JobEvent) -> None:
        """Print a job's new state, and its log when the job has ended."""
        job = event.job
        if job.state in _SILENT:
            return
        how = f" ({job.outcome})" if job.outcome not in {None, job.state} else ""
        if job.missing and job.state is JobState.WAITING_FAILED:
            how = f": no step has the key {', '.join(map(repr, job.missing))}"
        where = f" on {job.agent_name}" if job.agent_name and not job.outcome else ""
        self.say(f"{show.plain(job.name)}: {job.state}{how}{where}")
        if job.outcome is not None and self._shows(job.outcome):
            self.lines(f"        | {line}" for line in readable(self.log_of(job.id)))

    def on_instances(self, found: Iterable[Instance]) -> None:
        """Print every state of an instance once."""
        for instance in found:
            step = (str(instance.key), instance.state)
            if step not in self._told and instance.instance_id:
                self._told.add(step)
                self.say(f"{instance.instance_id} {instance.state}: {instance.reason}")

    def _shows(self, outcome: str) -> bool:
        return self.logs is Logs.ALL or (self.logs is Logs.FAILED and outcome != "passed")
