"""The phases of a job's wait on a hot machine, each between two recorded moments."""

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
_SECRETS = frozenset({"GetParametersByPath", "GetParameters", "AssumeRole"})
"""Operations by which a host gets its job's secrets and role, and does nothing else."""


@dataclass(frozen=True, slots=True)
class Phase:
    """The time from one moment of `Marks` to the next."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The moments of one job, in seconds since the epoch and in this order.

    Buildkite, AWS's front door and the agent each record their moments, by the same host's clock.
    """

    runnable: float
    recorded: float
    reserved: float
    written: float
    taken: float
    given: float
    registered: float
    started: float
    command: float
    output: float


PHASES: Sequence[Phase] = (
    Phase("listing", "from runnable until dispatch has listed the job and recorded its claim"),
    Phase("reserving", "until Buildkite has reserved the job for Mayfly"),
    Phase("binding", "until the assignment, with its token, is in the mailbox"),
    Phase("mailbox poll", "until the host has read the assignment"),
    Phase("secrets", "until the host has read the job's secrets and role; nothing without any"),
    Phase(
        "agent start", "until agents for ssh, if any, have their keys, and the agent has registered"
    ),
    Phase("acquire", "until the agent has acquired and started the job"),
    Phase("checkout", "until the agent begins the command, after hooks, plugins and git"),
    Phase("command", "until the command's first line of output"),
)
"""One phase for each moment of `Marks` after the first."""


def durations(marks: Marks) -> Mapping[str, float]:
    """Seconds by phase. A phase that overlaps an earlier one counts from the earlier one's end."""
    moments = [getattr(marks, each.name) for each in fields(marks)]
    found: dict[str, float] = {}
    latest = moments[0]
    for phase, moment in zip(PHASES, moments[1:], strict=True):
        found[phase.name] = max(0.0, moment - latest)
        latest = max(latest, moment)
    return found


def marks_of(evidence: Evidence) -> Mapping[str, Marks]:
    """Moments by job id.

    Jobs with a missing moment are omitted: the job did not start its command, or its log has no
    time codes.
    """
    recorded = dict(_recorded(evidence.journal))
    written, taken = _mailbox(evidence.journal)
    given = _given(evidence.journal, taken)
    found: dict[str, Marks] = {}
    for job in evidence.jobs:
        times = (
            _seconds(job.timeline.runnable),
            recorded.get(job.id),
            _seconds(job.timeline.reserved),
            written.get(job.id),
            taken.get(job.id),
            given.get(job.id),
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
    """Job id and time of each claim's first write."""
    seen: set[str] = set()
    for entry in journal:
        if not entry.ok or entry.service != "dynamodb":
            continue
        for row in entry.resources.get("rows", ()):
            job = _written_claim(row)
            if job and job not in seen:
                seen.add(job)
                yield job, entry.at


def _written_claim(row: Mapping[str, Any]) -> str:
    """Job id of the claim that the row's write concerns; empty for reads and other rows."""
    key = row["key"] or ""
    written = row["operation"] in _WRITES and key.startswith(_CLAIM)
    return key.removeprefix(_CLAIM) if written else ""


def _mailbox(journal: Sequence[Entry]) -> tuple[dict[str, float], dict[str, float]]:
    """By job: time of its last assignment, and of the host's first read of the assignment."""
    written: dict[str, float] = {}
    for write in mailbox_writes(journal):
        if "assignment" in write.state:
            written[write.state["assignment"]["job"]] = write.at
    job_of = _jobs_of_hosts(journal)
    taken: dict[str, float] = {}
    for row, at in _mailbox_reads(journal):
        if row in job_of and at >= written[job_of[row]]:
            taken.setdefault(job_of[row], at)
    return written, taken


def _jobs_of_hosts(journal: Sequence[Entry]) -> dict[str, str]:
    """The job by the host's principal, which is the key of its mailbox row."""
    return {
        write.row: write.state["assignment"]["job"]
        for write in mailbox_writes(journal)
        if "assignment" in write.state
    }


def _given(journal: Sequence[Entry], taken: Mapping[str, float]) -> dict[str, float]:
    """By job: time of the last answer with its secrets; of its assignment's read without any."""
    job_of = _jobs_of_hosts(journal)
    given = dict(taken)
    for entry in journal:
        job = job_of.get(entry.principal, "")
        if job in taken and entry.at >= taken[job] and entry.operation in _SECRETS:
            given[job] = max(given[job], entry.at)
    return given


def _mailbox_reads(journal: Sequence[Entry]) -> Iterator[tuple[str, float]]:
    """Row and time of each host's reads of its own mailbox row, which has the principal's name."""
    for entry in journal:
        if entry.ok and entry.operation == "GetItem":
            keys = (row["key"] for row in entry.resources.get("rows", ()))
            yield from ((key, entry.at) for key in keys if key == entry.principal)
