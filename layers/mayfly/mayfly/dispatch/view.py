"""What dispatch looks at: one turn, and each queue as the turn finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mayfly.answers import Job, Listing
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import Mismatch
from mayfly.records.model import Claim, Instance, QueueRecord, Shape, SlotKey


@dataclass(frozen=True, slots=True)
class Seen:
    """What one tick leaves to the next about a queue, so that the next need not look again."""

    paused: bool | None = None
    """Whether the queue is paused at Buildkite, by its last listing; None while unknown."""
    running: int = 0
    """How many claims are running; claims that have ended since are counted too."""
    ready: bool = False
    """Whether instances were ready for a job when the records were last read."""
    unmatched: frozenset[str] = frozenset()
    """Listed jobs that the log was told of: they do not match the queue."""
    jobs: bool = False
    """Whether the tick that just ended saw jobs, listed or claimed."""
    waits: bool = False
    """Whether that tick saw a job that waits for its instance."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one tick looks at."""

    queues: tuple[QueueRecord, ...]
    listed: frozenset[str]
    """Queues whose jobs are listed this time: Buildkite allows so many lists a second."""
    fence: int
    wide: bool
    """Whether running claims are read too; they need no look at every tick."""
    asks: bool
    """Whether Buildkite is asked how the jobs stand: that answer takes longer than all the rest."""
    glance: bool = False
    """Whether the tick ends with the lists if they are empty: a moment ago nothing was to do."""
    seen: Mapping[str, Seen] = field(default_factory=dict)
    """By queue: what the last tick left."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listed job that the queue can serve, and the shape of instance that it needs."""

    job: Job
    shape: Shape


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue in one tick, complete before anything is decided about it."""

    spec: str
    """The spec of what the queue would launch now."""
    claims: tuple[Claim, ...]
    instances: Mapping[SlotKey, Instance] = field(default_factory=dict)
    """The instances that assigned claims are bound to."""
    ready: tuple[Instance, ...] = ()
    running: int = 0
    """Running claims that are not among `claims`: they need no look, but take room."""
    listing: Listing | None = None
    """None when Buildkite was not or could not be asked: nothing new is opened."""
    paused: bool | None = None
    """Whether the queue is paused at Buildkite, by its last listing; None while that is unknown."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Buildkite's word by job; a job that is missing is unknown, and unknown changes nothing."""
    candidates: tuple[Candidate, ...] = ()
    """Listed jobs that may be opened now, most urgent first, as many as there is room for."""
    unmatched: Mapping[str, Mismatch] = field(default_factory=dict)
    """Listed jobs that the queue cannot serve, with the rule that failed. They are not touched."""
    former: Mapping[str, Claim] = field(default_factory=dict)
    """Former claims of candidates, which a new claim of the same job replaces."""
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By job, for candidates of a restricted queue; a job that is missing is not opened."""
    repositories: Mapping[str, str] = field(default_factory=dict)
    """By job: what the repository of its pipeline must be; absent where no parameter says it."""
    agent_endpoint: str = ""
    """Where agents shall call, if not at Buildkite's own address."""


def is_paused(view: QueueView, config: QueueConfig) -> bool:
    """Whether new work is stopped, by the operator here or at Buildkite."""
    return config.paused or view.paused is True
