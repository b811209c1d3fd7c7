"""What a report says: frozen values, made by a command from what the command has read.

A report is a verdict and sections in the order of reading. A new kind of section is a class here
and a file in `templates/`, by whose name the section is also linked. All times are seconds since
the report's zero, which the report's `Chart` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias

from mayfly_cli.html_report import operators


class Path(StrEnum):
    """How a job came to its instance. The value is the word that the report shows."""

    HOT = "hot"
    STOPPED = "stopped"
    COLD = "cold"
    NONE = "none"
    """No instance ran the job."""


class Phase(StrEnum):
    """A part of a job's time. Each begins where the one before ends."""

    RESERVE = "reserve"
    LAUNCH = "launch"
    BOOT = "boot"
    SWAP = "swap"
    PROOF = "proof"
    START = "start"
    ASSIGN = "assign"
    CHECKOUT = "checkout"
    COMMAND = "command"
    END = "end"

    @property
    def meaning(self) -> str:
        """The phase in a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    Phase.RESERVE: "until Buildkite has reserved the job for Mayfly",
    Phase.LAUNCH: "until EC2's instance runs the supervisor",
    Phase.BOOT: "until the host is set up, as bootstrap",
    Phase.SWAP: "until the metadata service serves the sandbox profile",
    Phase.PROOF: "until the host has proven that it is in the sandbox",
    Phase.START: "until a stopped instance runs again and has proven itself anew",
    Phase.ASSIGN: "until the agent has accepted the job",
    Phase.CHECKOUT: "until the command begins, after hooks, plugins and git",
    Phase.COMMAND: "until the job has ended",
    Phase.END: "until EC2 has terminated the instance",
}


class Tone(StrEnum):
    """What an outcome means to its reader."""

    GOOD = "good"
    BAD = "bad"
    MIXED = "mixed"
    """Neither: soft-failed, cancelled, or not ended."""


@dataclass(frozen=True, slots=True)
class Span:
    """One phase of one job."""

    phase: Phase
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """The phase's length."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Band:
    """A time in which an instance's metadata service served one profile."""

    profile: str
    """`bootstrap`, `sandbox`, `none`, or the name of another profile."""
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Instance:
    """One EC2 instance."""

    id: str
    queue: str
    bands: tuple[Band, ...]
    reason: str
    """Why it ended; empty while it runs."""
    job: int | None = None
    """Number of the job that it ran."""
    kind: str = ""
    """Type, market and zone, as far as known."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note on the job's page at Buildkite."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, with its whole reason."""

    number: int
    id: str
    label: str
    queue: str
    path: Path
    outcome: str
    tone: Tone
    exit_status: int | None = None
    signal_reason: str = ""
    instance: Instance | None = None
    attempt: int = 0
    agent: str = ""
    reason: str = ""
    spans: tuple[Span, ...] = ()
    notes: tuple[Note, ...] = ()
    log_tail: tuple[str, ...] = ()

    @property
    def wait(self) -> float | None:
        """Seconds from runnable to the begin of the command; None when it never began."""
        before = [span for span in self.spans if span.phase not in {Phase.COMMAND, Phase.END}]
        began = any(span.phase is Phase.COMMAND for span in self.spans)
        return round(before[-1].end - before[0].begin, 3) if began and before else None

    @property
    def took(self) -> float | None:
        """Seconds from runnable to the job's end; None for a job without times."""
        mine = [span for span in self.spans if span.phase is not Phase.END]
        return round(mine[-1].end - mine[0].begin, 3) if mine else None


@dataclass(frozen=True, slots=True)
class Check:
    """A promise, and what broke it; nothing broke a promise that held."""

    name: str
    promise: str
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Percentiles of one phase over the jobs of one path; an empty phase is the whole wait."""

    path: Path
    phase: Phase | None
    jobs: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """One time that an alarm was on; `until` is None for an alarm that is still on."""

    name: str
    since: float
    until: float | None
    description: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that was turned on, and how often it struck."""

    text: str
    meaning: str
    strikes: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value for the head of the report."""

    name: str
    value: str


# -- sections --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checks:
    """The promises, broken ones first."""

    template: ClassVar[str] = "checks"
    heading: ClassVar[str] = "Checks"
    checks: tuple[Check, ...]

    @property
    def broken(self) -> tuple[Check, ...]:
        """The promises that were broken."""
        return tuple(check for check in self.checks if check.broken)

    @property
    def held(self) -> tuple[Check, ...]:
        """The promises that held."""
        return tuple(check for check in self.checks if not check.broken)


@dataclass(frozen=True, slots=True)
class Chart:
    """The Gantt chart: a row for each job with its instance, then instances without a job."""

    template: ClassVar[str] = "chart"
    heading: ClassVar[str] = "Time line"
    zero: str
    """What the second 0 is, as in "seconds since …"."""
    jobs: tuple[Job, ...]
    idle: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class Jobs:
    """The table of jobs."""

    template: ClassVar[str] = "jobs"
    heading: ClassVar[str] = "Jobs"
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Instances:
    """The table of instances."""

    template: ClassVar[str] = "instances"
    heading: ClassVar[str] = "Instances"
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """The table of waits."""

    template: ClassVar[str] = "waits"
    heading: ClassVar[str] = "Waits by phase"
    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class Alarms:
    """The alarms that fired."""

    template: ClassVar[str] = "alarms"
    heading: ClassVar[str] = "Alarms"
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that were turned on."""

    template: ClassVar[str] = "faults"
    heading: ClassVar[str] = "Faults"
    faults: tuple[Fault, ...]


Section: TypeAlias = (
    Checks
    | Chart
    | Jobs
    | Instances
    | Waits
    | Alarms
    | Faults
    | operators.Hours
    | operators.Launches
    | operators.Costs
    | operators.Changes
)


@dataclass(frozen=True, slots=True)
class Report:
    """One report."""

    title: str
    verdict: str
    tone: Tone
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
