"""The demo's faults: a cancelled job, a dead machine, a spot interruption; each strikes once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from buildkite_emulator import JobEvent, JobState
from mayfly_lab.demo.expected import CANCELLED, INTERRUPTED, KILLED
from mayfly_lab.lab import Lab
from mayfly_lab.report.checks import mailbox_writes
from mayfly_lab.report.show import instance_id

_LOOK = 0.05
_INTO_THE_JOB = 1.5
"""Seconds that the long job runs before the spot notice of its instance."""
_WARNING = 20.0
"""Seconds between the spot warning and the interruption; EC2 gives 120."""


@dataclass(slots=True)
class Incidents:
    """Watches Buildkite's events and, in a thread, the journal; strikes each step's job once."""

    lab: Lab
    say: Callable[[str], None]
    _stop: threading.Event = field(default_factory=threading.Event)
    _struck: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Start to watch."""
        self.lab.buildkite.subscribe(self._on_event)
        threading.Thread(target=self._watch_assignments, name="incidents", daemon=True).start()

    def stop(self) -> None:
        """Stop the watch of assignments. Timers that run already still strike."""
        self._stop.set()

    def _on_event(self, event: JobEvent) -> None:
        job = event.job
        if job.step_key == CANCELLED and job.state is JobState.RESERVED:
            self._once(CANCELLED, 1.0, lambda: self._cancel(job.id))
        if job.step_key == INTERRUPTED and job.state is JobState.RUNNING:
            instance = instance_id(job.agent_name)
            self._once(INTERRUPTED, _INTO_THE_JOB, lambda: self._interrupt(instance))

    def _once(self, step: str, delay: float, act: Callable[[], None]) -> None:
        if step not in self._struck:
            self._struck.add(step)
            timer = threading.Timer(delay, act)
            timer.daemon = True
            timer.start()

    def _cancel(self, job: str) -> None:
        self.say("a user cancels the soak test while it waits for a machine")
        self.lab.buildkite.cancel_job(job)

    def _interrupt(self, instance: str) -> None:
        self.say(f"EC2 announces a spot interruption of {instance}")
        self.lab.aws.ec2.interrupt(instance, _WARNING)

    def _watch_assignments(self) -> None:
        """Kill a machine between its assignment and its agent's first call."""
        while KILLED not in self._struck and not self._stop.wait(_LOOK):
            jobs = {job.id for job in self.lab.buildkite.jobs() if job.step_key == KILLED}
            for write in mailbox_writes(list(self.lab.aws.journal)):
                if write.state.get("assignment", {}).get("job") in jobs:
                    self._struck.add(KILLED)
                    instance_id = write.row.partition(":")[2]
                    self.say(f"{instance_id} dies with a job assigned but not started")
                    self.lab.crash(instance_id)
                    return
