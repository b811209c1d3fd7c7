"""Jobs that nobody takes, told while somebody still waits for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from buildkite_emulator import JobState, JobView
from mayfly_lab.lab import Lab
from mayfly_lab.report import show

UNTAKEN = timedelta(seconds=10)
"""After this long a job is told of: Mayfly looks several times a second."""


class Untaken:
    """Tells once of each job of a lab that has waited for long and is not reserved."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._told: set[str] = set()

    def news(self) -> Iterator[str]:
        """A line for each job that was not told of yet."""
        for job in self._lab.buildkite.jobs():
            if job.id not in self._told and _waits(job):
                self._told.add(job.id)
                yield f"{untaken(job)} in {UNTAKEN.seconds} s: {self._reason(job)}"

    def _reason(self, job: JobView) -> str:
        queues = self._lab.choices.queues
        if job.queue not in queues:
            return f"Mayfly serves {', '.join(queues)} here (--queue adds one)"
        log = self._lab.aws.log_of("dispatch").read_text("utf-8", "replace")
        if not log:
            return "dispatch has not run yet"
        return _said_of(job, log) or "see the log of dispatch"


def untaken(job: JobView) -> str:
    """That nobody took a job, and what it asks of an agent."""
    rules = ", ".join(job.agent_query_rules) or "no rules"
    return f"{show.plain(job.name)}: nobody took it ({rules})"


def _waits(job: JobView) -> bool:
    since = job.timeline.runnable
    if job.state is not JobState.SCHEDULED or since is None:
        return False
    return datetime.now(UTC) - since >= UNTAKEN


def _said_of(job: JobView, log: str) -> str:
    """Why dispatch does not take the job, in its own words; empty when its log has none."""
    for line in log.splitlines():
        _, found, said = line.partition(f"job {job.id} does not match ")
        if found:
            return f"the job does not match {_until_quote(said)}"
    return ""


def _until_quote(rest: str) -> str:
    """What is left of a JSON string whose beginning was cut off."""
    said, _ = json.JSONDecoder().raw_decode(f'"{rest}')
    return str(said)
