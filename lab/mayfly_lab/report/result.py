"""The result of a run: what the screen, the JSON file and the HTML file show."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mayfly_lab.faults import Fault
from mayfly_lab.faults.table import SWITCHES
from mayfly_lab.report.alarms import AlarmLine, alarm_lines
from mayfly_lab.report.checks import Check
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.timeline import InstanceLine, JobLine, instance_lines
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The command of a run, and its end; names and values as in `Result`."""

    command: str
    facts: Sequence[tuple[str, str]]
    faults: Sequence[FaultLine] = ()
    ending: str = ""
    """What the verdict says before the checks; empty when the checks alone decide."""
    passed: bool = True
    """Whether `ending` is a success."""


def result_of(
    ran: Ran, evidence: Evidence, jobs: Sequence[JobLine], checks: Sequence[Check]
) -> Result:
    """The result of a run that ends now; `jobs` are the lines of the evidence's jobs."""
    broken = sum(not check.held for check in checks)
    held = "all checks held" if not broken else f"{broken} checks are BROKEN"
    return Result(
        command=ran.command,
        verdict=f"{ran.ending}; {held}" if ran.ending else held,
        passed=ran.passed and not broken,
        seconds=time.time() - evidence.started,
        started=evidence.started,
        began=evidence.build_began,
        facts=ran.facts,
        jobs=jobs,
        instances=instance_lines(evidence),
        checks=checks,
        alarms=alarm_lines(evidence.alarms, evidence.started),
        faults=ran.faults,
        waits=waits(jobs),
    )


def fault_lines(texts: Sequence[str], faults: Sequence[Fault]) -> list[FaultLine]:
    """One line for each fault of the options, in their order; `faults` are the same, turned on."""
    return [
        FaultLine(text, SWITCHES[fault.name].explained, fault.struck)
        for text, fault in zip(texts, faults, strict=True)
    ]
