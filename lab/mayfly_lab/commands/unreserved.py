"""Reports jobs that Mayfly does not reserve, while the user still waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from buildkite_emulator import JobState, JobView
from mayfly_lab.lab import Lab
from mayfly_lab.report import show

REPORT_AFTER = timedelta(seconds=10)
"""A runnable job is reported after this time: Mayfly lists jobs several times a second."""


class UnreservedJobs:
    """Reports each job once that is runnable for `REPORT_AFTER` and not reserved."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._told: set[str] = set()

    def new_lines(self) -> Iterator[str]:
        """A line for each such job not reported yet: its name, its rules and the reason."""
        for job in self._lab.buildkite.jobs():
            if job.id not in self._told and _is_reported(job):
                self._told.add(job.id)
                yield f"{unreserved_line(job)} after {REPORT_AFTER.seconds} s: {self._reason(job)}"

    def _reason(self, job: JobView) -> str:
        queues = self._lab.choices.queues
        if job.queue not in queues:
            return f"Mayfly's queues are {', '.join(queues)} (--queue adds a queue)"
        notes = [notice.detail for notice in job.notices if notice.detail]
        if notes:
            return notes[-1]
        has_run = self._lab.aws.log_of("dispatch").stat().st_size > 0
        return "see the log of dispatch" if has_run else "dispatch has not run yet"


def unreserved_line(job: JobView) -> str:
    """Line for a job that is not reserved: its name and its agent rules."""
    rules = ", ".join(job.agent_query_rules) or "no rules"
    return f"{show.plain(job.name)}: not reserved ({rules})"


def _is_reported(job: JobView) -> bool:
    since = job.timeline.runnable
    if job.state is not JobState.SCHEDULED or since is None:
        return False
    return datetime.now(UTC) - since >= REPORT_AFTER
