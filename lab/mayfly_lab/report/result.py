"""The result of a run: what the screen, the JSON file and the HTML file show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mayfly_lab.faults import Fault
from mayfly_lab.faults.table import SWITCHES
from mayfly_lab.report.alarms import AlarmLine, alarm_lines
from mayfly_lab.report.checks import Check
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.timeline import InstanceLine, JobLine, instance_lines, job_lines
from mayfly_lab.report.waits import Wait, waits


@dataclass(frozen=True, slots=True)
class FaultLine:
    """A fault that was turned on by the command's options."""

    text: str
    """The option's text."""
    meaning: str
    strikes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one run of `mayfly-lab run` or `mayfly-lab demo`."""

    command: str
    """The command and what it ran, as `mayfly-lab run pipeline.yml`."""
    verdict: str
    passed: bool
    """Whether the command's exit status is 0."""
    seconds: float
    """How long the run took."""
    started: float
    """When the run began, in seconds since the epoch."""
    began: float
    """When the first build began, in seconds since the epoch."""
    facts: Sequence[tuple[str, str]]
    """Name and value of what the run used, such as its agent."""
    jobs: Sequence[JobLine]
    instances: Sequence[InstanceLine]
    checks: Sequence[Check]
    alarms: Sequence[AlarmLine]
    faults: Sequence[FaultLine]
    waits: Sequence[Wait]


@dataclass(frozen=True, slots=True)
class Lines:
    """What the evidence of a run says of jobs, instances and alarms."""

    jobs: Sequence[JobLine]
    instances: Sequence[InstanceLine]
    alarms: Sequence[AlarmLine]
    waits: Sequence[Wait]


def lines_of(evidence: Evidence) -> Lines:
    """The lines of a run's report."""
    jobs = job_lines(evidence)
    alarms = alarm_lines(evidence.alarms, evidence.started)
    return Lines(jobs, instance_lines(evidence), alarms, waits(jobs))


def fault_lines(texts: Sequence[str], faults: Sequence[Fault]) -> list[FaultLine]:
    """One line for each fault of the options, in their order; `faults` are the same, turned on."""
    return [
        FaultLine(text, SWITCHES[fault.name].explained, fault.struck)
        for text, fault in zip(texts, faults, strict=True)
    ]
