"""The views of `dispatch`: one turn, and each queue in that turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mayfly.answers import Job, Listing
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import Mismatch
from mayfly.dispatch.grants import Lists
from mayfly.records.model import Claim, Instance, QueueRecord, Shape, SlotKey
from mayfly.records.standing import Standing
from mayfly.records.turns import busy_pipelines, has_instance
from mayfly.records.why import Why


@dataclass(frozen=True, slots=True)
class Stalled:
    """Shapes that get no instances at present, by the queue's ledger."""

    shapes: frozenset[Shape] = frozenset()
    read_at: datetime | None = None
    """When the ledger was read; None before."""


@dataclass(frozen=True, slots=True)
class Lately:
    """A binding of the last seconds."""

    pipeline: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LastTick:
    """What one tick leaves to the next about a queue, to save reads."""

    paused: bool | None = None
    """Whether the queue is paused at Buildkite, by its last listing; None while unknown."""
    listed_at: datetime | None = None
    """When Buildkite last answered the queue's list; None before."""
    unlisted: Why | None = None
    """Why the queue's last list failed; None where it did not."""
    pause_written: int | None = None
    """Version of the queue's record to which a pause at Buildkite, or its end, was last written."""
    running: Mapping[str, int] = field(default_factory=dict)
    """Number of running claims by pipeline, including claims that have ended since."""
    lately: Mapping[str, Lately] = field(default_factory=dict)
    """By job: bindings of the last seconds, which the index may not show yet."""
    ready: bool = False
    """Whether instances were ready for a job when the records were last read."""
    unmatched: frozenset[str] = frozenset()
    """Jobs that do not match the queue and are counted already."""
    alone: frozenset[str] = frozenset()
    """Listed jobs that are left to Buildkite, each with a note on its page."""
    jobs: bool = False
    """Whether the last tick saw jobs, listed or claimed."""
    waits: bool = False
    """Whether the last tick saw a job that waits for an instance."""
    stalled: Stalled = field(default_factory=Stalled)
    refused: frozenset[str] = frozenset()
    """Listed or waiting jobs that Buildkite did not reserve when it was last asked."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one tick reads."""

    queues: tuple[QueueRecord, ...]
    listed: frozenset[str]
    """Queues to list in this tick: Buildkite limits the lists per second."""
    fence: int
    wide: bool
    """Whether running claims are read too; not every tick needs them."""
    reads_states: bool
    """Whether Buildkite's job states are read: that request takes longer than all other reads."""
    lists_first: bool = False
    """Whether to end the tick when the lists are empty: a moment ago there was nothing to do."""
    seen: Mapping[str, LastTick] = field(default_factory=dict)
    """By queue: what the last tick left."""
    explains: datetime | None = None
    """Jobs that have waited since before this time are told why; None: not in this tick."""
    unheard: Why | None = None
    """Why no queue is listed, where Buildkite registers the stack with none."""
    handed_over: datetime | None = None
    """When this invocation took the lease from a live holder; None where there was none."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listed job that the queue can serve, and the shape of instance that it needs."""

    job: Job
    shape: Shape


@dataclass(frozen=True, slots=True)
class Prospects:
    """Facts from which notes say why claims of a queue wait."""

    standing: Standing | None
    """What `provision` last said of the queue; None where it never did."""
    coming: tuple[Instance, ...]
    """Requested and booting instances."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue in one tick. The view is complete before the decisions."""

    spec: str
    """Spec of the instances that the queue would launch now."""
    claims: tuple[Claim, ...]
    instances: Mapping[SlotKey, Instance] = field(default_factory=dict)
    """Instances of assigned claims, by slot."""
    ready: tuple[Instance, ...] = ()
    running: Mapping[str, int] = field(default_factory=dict)
    """Number of running claims by pipeline that are not in `claims`: they are not read, but take
    room."""
    lately: Mapping[str, Lately] = field(default_factory=dict)
    """By job: bindings of the last seconds, which `claims` may not show yet."""
    is_new: bool = False
    """Whether the invocation took the lease from a live one so lately that its bindings may not
    show in `claims` yet."""
    listing: Listing | None = None
    """None when the queue was not listed or the list failed: no claims are opened then."""
    unlisted: Why | None = None
    """Why the queue's last list failed; None where it did not."""
    paused: bool | None = None
    """Whether the queue is paused at Buildkite, by its last listing; None while that is unknown."""
    active: bool = True
    """Whether the queue has its stack; without the stack it is paused and not listed."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Buildkite's state by job; a missing job is unknown, and unknown changes nothing."""
    candidates: tuple[Candidate, ...] = ()
    """Listed jobs that may be opened now, most urgent first, as many as there are places for."""
    left_out: bool = False
    """Whether listed jobs find no place."""
    stalled: Stalled = field(default_factory=Stalled)
    """Shapes whose waiting claims take no places; only read while listed jobs find none."""
    refused: frozenset[str] = frozenset()
    """Jobs that Buildkite did not reserve when it was last asked: their claims take no places."""
    over_limit: Mapping[str, str] = field(default_factory=dict)
    """By job, listed or waiting: the pipeline, which has `limits/per-pipeline` jobs on instances or
    ahead of this one."""
    unmatched: Mapping[str, Mismatch] = field(default_factory=dict)
    """By job: jobs that the queue cannot serve, with the failed rule: listed ones, which are left
    untouched, and waiting ones that the queue matched before its configuration changed."""
    former: Mapping[str, Claim] = field(default_factory=dict)
    """By job: former claims of candidates, which a new claim of the job replaces."""
    unreadable: frozenset[str] = frozenset()
    """Candidates with an unreadable claim: it is unknown whether they have run. Not opened."""
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By job, for candidates of a queue that reads environments.

    A candidate of a restricted queue that is missing is not opened.
    """
    awaited: frozenset[str] = frozenset()
    """Candidates whose environment is being read: nothing is known of them yet. Not opened."""
    repositories: Mapping[str, str | None] = field(default_factory=dict)
    """By job: the repository that its pipeline must have; None where none is registered."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """By job: the parameter with the repository that its pipeline must have, of candidates whose
    parameter cannot be read, or has no repository: these jobs are neither allowed nor denied."""
    lists: Mapping[str, Lists] = field(default_factory=dict)
    """By job: the lists beside the secrets of candidates with a known environment."""
    prospects: Prospects | None = None
    """None in ticks that tell no job why it waits."""
    agent_endpoint: str = ""
    """URL that agents call; empty for Buildkite's own address."""


def is_paused(view: QueueView, config: QueueConfig) -> bool:
    """Whether new work is stopped, by the operator here or at Buildkite."""
    return config.paused or view.paused is True


def unclaimed_jobs(view: QueueView, claims: Iterable[Claim] = ()) -> list[Job]:
    """Listed jobs without a claim, in the view or among these."""
    known = {claim.job for claim in (*view.claims, *claims)}
    jobs = view.listing.jobs if view.listing is not None else ()
    return [job for job in jobs if job.id not in known]


def without_mismatches(claims: Iterable[Claim], view: QueueView) -> tuple[Claim, ...]:
    """The claims without waiting ones that the queue matches no more: no instance is for them."""
    return tuple(c for c in claims if not (c.state.traits.waits and c.job in view.unmatched))


def waiting_claims(view: QueueView) -> tuple[Claim, ...]:
    """The claims that wait for an instance, without those that were just bound."""
    return tuple(c for c in view.claims if c.state.traits.waits and c.job not in view.lately)


def busy_of(view: QueueView) -> Counter[str]:
    """The number of the queue's jobs with an instance, by pipeline, also where no claim shows it.

    A binding of the last seconds counts whatever the index shows: a job that has ended since
    counts a little longer, and no job is missed.
    """
    busy = [claim for claim in view.claims if has_instance(claim)]
    unseen = view.lately.keys() - {claim.job for claim in busy}
    return (
        busy_pipelines(busy)
        + Counter(view.running)
        + Counter(view.lately[job].pipeline for job in unseen)
    )
