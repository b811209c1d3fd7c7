"""The phases of a job's way on a hot machine, each between two moments that somebody wrote down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from mayfly.adapters.dynamodb.records import key_of
from mayfly.records.model import Claim
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.report.checks import mailbox_writes
from mayfly_lab.report.evidence import Evidence

_CLAIM = key_of(Claim, "")
_WRITES = frozenset({"PutItem", "UpdateItem"})


@dataclass(frozen=True, slots=True)
class Phase:
    """What lies between a moment and the one before it."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The moments of one job, in seconds since the epoch and in this order.

    All of them are read from clocks of one host, by whoever the moment belongs to: Buildkite, the
    front door of AWS, the agent.
    """

    runnable: float
    recorded: float
    reserved: float
    written: float
    taken: float
    registered: float
    started: float
    command: float
    output: float


PHASES: Sequence[Phase] = (
    Phase("listing", "runnable, until dispatch has seen it and recorded its claim"),
    Phase("reserving", "until Buildkite keeps it for Mayfly"),
    Phase("binding", "until the assignment, with its token, stands in the mailbox"),
    Phase("mailbox poll", "until the host has read it"),
    Phase("agent start", "until the agent has registered"),
    Phase("acquire", "until the agent has the job and started it"),
    Phase("checkout", "until the agent comes to the command: hooks, plugins, git"),
    Phase("command", "until its first line of output"),
)
"""One for each moment after the first."""


def durations(marks: Marks) -> Mapping[str, float]:
    """Seconds by phase. One that began before the one before it had ended counts from there."""
    moments = [getattr(marks, each.name) for each in fields(marks)]
    found: dict[str, float] = {}
    latest = moments[0]
    for phase, moment in zip(PHASES, moments[1:], strict=True):
        found[phase.name] = max(0.0, moment - latest)
        latest = max(latest, moment)
    return found


def marks_of(evidence: Evidence) -> Mapping[str, Marks]:
    """By job: its moments.

    A job for which one is missing is left out: it did not come to its command, or did so without
    time codes in its log.
    """
    recorded = dict(_recorded(evidence.journal))
    written, taken = _mailbox(evidence.journal)
    found: dict[str, Marks] = {}
    for job in evidence.jobs:
        times = (
            _seconds(job.timeline.runnable),
            recorded.get(job.id),
            _seconds(job.timeline.reserved),
            written.get(job.id),
            taken.get(job.id),
            _seconds(job.agent_registered),
            _seconds(job.timeline.started),
            evidence.command_at.get(job.id),
            evidence.output_at.get(job.id),
        )
        known = [each for each in times if each is not None]
        if len(known) == len(times):
            found[job.id] = Marks(*known)
    return found


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _recorded(journal: Sequence[Entry]) -> Iterator[tuple[str, float]]:
    """When each job's claim was first written."""
    seen: set[str] = set()
    for entry in journal:
        if not entry.ok or entry.service != "dynamodb":
            continue
        for row in entry.resources.get("rows", ()):
            job = _claimed(row)
            if job and job not in seen:
                seen.add(job)
                yield job, entry.at


def _claimed(row: Mapping[str, Any]) -> str:
    """The job whose claim was written, if one was."""
    key = row["key"] or ""
    written = row["operation"] in _WRITES and key.startswith(_CLAIM)
    return key.removeprefix(_CLAIM) if written else ""


def _mailbox(journal: Sequence[Entry]) -> tuple[dict[str, float], dict[str, float]]:
    """By job: when its last assignment was written, and when its host first read it."""
    written: dict[str, float] = {}
    job_of: dict[str, str] = {}
    for write in mailbox_writes(journal):
        if "assignment" in write.state:
            job = write.state["assignment"]["job"]
            job_of[write.row] = job
            written[job] = write.at
    taken: dict[str, float] = {}
    for row, at in _looks(journal):
        if row in job_of and at >= written[job_of[row]]:
            taken.setdefault(job_of[row], at)
    return written, taken


def _looks(journal: Sequence[Entry]) -> Iterator[tuple[str, float]]:
    """When each host looked into its mailbox: the row has the name of who may read it."""
    for entry in journal:
        if entry.ok and entry.operation == "GetItem":
            keys = (row["key"] for row in entry.resources.get("rows", ()))
            yield from ((key, entry.at) for key in keys if key == entry.principal)
