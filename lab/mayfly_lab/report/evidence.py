"""The evidence of a run, gathered once, for timelines and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from buildkite_emulator import JobView
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance
from mayfly_lab.aws.ec2.moments import Moment
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.aws.watch.watch import Change
from mayfly_lab.report.seeking import Secret


@dataclass(frozen=True, slots=True)
class Evidence:
    """The records of every part of the lab at the end of a run."""

    started: float
    """Seconds since the epoch."""
    jobs: Sequence[JobView]
    claims: Mapping[str, Claim]
    """By job."""
    instances: Mapping[str, Instance]
    """By EC2 instance id."""
    ledger: Mapping[str, Ledger]
    """By queue."""
    moments: Sequence[Moment]
    """Changes of every instance at EC2, oldest first."""
    journal: Sequence[Entry]
    output_at: Mapping[str, float]
    """By job: when its command wrote its first line, by the agent's clock, in epoch seconds."""
    command_at: Mapping[str, float]
    """By job: when its agent began its command, by the agent's clock, in epoch seconds."""
    texts: Mapping[str, str]
    """Every text in which a secret could have been written, by its place."""
    secrets: Sequence[Secret] = field(repr=False, default=())
    """Tokens and credentials that must not be in any of `texts` but those that carry them."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """By queue: max-instances."""
    alarms: Sequence[Change] = ()
    """Changes of the state of alarms, oldest first."""
    agents: Mapping[str, str] = field(default_factory=dict)
    """By job: the agent that ran it, as `buildkite-agent 3.83.1` or `stand-in`."""
    tails: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By job: the last lines of its log, as a terminal shows them."""

    @property
    def build_began(self) -> float:
        """When the first build began, in epoch seconds; the run's start without a job."""
        return min((job.timeline.created.timestamp() for job in self.jobs), default=self.started)
