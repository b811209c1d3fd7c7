"""The records of Mayfly, as frozen values: what the Fleet table holds and decisions read.

Every record has a `version`, the number of times it was written; 0 means never. A record is
saved only over the version that was read, so a lost race is a Conflict and never a lost update.
All times are aware and in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, TypeVar

from mayfly.records.states import ClaimState, InstanceState, LaunchState, check_edge

HISTORY = 20
"""Steps that a record keeps; an instance's whole life has fewer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state, when it happened and why."""

    state: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a job needs of an instance: capacity of equal shape is interchangeable."""

    queue: str
    architecture: str
    instance_types: tuple[str, ...]
    purchase: str

    def __str__(self) -> str:
        """The form in which records and logs name it."""
        return f"{self.queue}/{self.architecture}/{self.purchase}/{'+'.join(self.instance_types)}"


@dataclass(frozen=True, slots=True, order=True)
class SlotKey:
    """Names an instance before EC2 does: slot `number` of a launch."""

    launch: str
    number: int

    def __str__(self) -> str:
        """The form in which records and logs name it."""
        return f"{self.launch}/{self.number}"


@dataclass(frozen=True, slots=True)
class Claim:
    """One job that Mayfly has reserved, or is about to reserve."""

    job: str
    queue: str
    shape: Shape
    state: ClaimState
    since: datetime
    """When it entered this state."""
    runnable_at: datetime
    """Since when the job could run, as Buildkite's list says."""
    attempt: int = 1
    priority: int = 0
    pipeline: str = ""
    build: int = 0
    step: str = ""
    repository: str | None = None
    """The repository that policy requires of this job; the host checks it again."""
    reserved_until: datetime | None = None
    """End of the reservation; None before the first answer."""
    slot: SlotKey | None = None
    token_until: datetime | None = None
    """When the acquisition token of the present attempt dies. The token itself is in no record."""
    told: bool = True
    """False while Buildkite has yet to be told that the job failed here."""
    reason: str = ""
    history: tuple[Step, ...] = ()
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether a tick must look at it: it can still change, or Buildkite is to be told."""
        return self.state.traits.open or not self.told

    def reserved(self, now: datetime) -> bool:
        """Whether Buildkite keeps the job for us: what it does not keep may be somebody else's."""
        return self.reserved_until is not None and now < self.reserved_until


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a launch fixes about its instances: a later change of the queue does not touch them."""

    bootstrap_profile: str
    sandbox_profile: str
    bootstrap_role_id: str
    sandbox_role_id: str
    script_minutes: int = 0
    """Allowance for the operator's bootstrap script, on top of the deadline for booting."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One request to EC2, recorded whole before it is sent. `id` is ClientToken and tag."""

    id: str
    queue: str
    shape: Shape
    state: LaunchState
    since: datetime
    created: datetime
    request: str
    """The CreateFleet request as JSON, sent byte for byte at every try."""
    slots: int
    spec: str
    market: str
    """`spot` or `on-demand`."""
    errors: tuple[str, ...] = ()
    """What EC2 answered for slots that it did not fill, as `code: message`."""
    reason: str = ""
    history: tuple[Step, ...] = ()
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether EC2's answer is still to come."""
        return self.state.traits.open


@dataclass(frozen=True, slots=True)
class Instance:
    """One slot of a launch: an EC2 instance from the wish to its end."""

    key: SlotKey
    queue: str
    shape: Shape
    state: InstanceState
    since: datetime
    created: datetime
    spec: str
    pinned: Pinned
    instance_id: str | None = None
    boot: str | None = None
    """The kernel's boot id that the proof named."""
    job: str | None = None
    max_minutes: int = 0
    """The job's ceiling, set when a job is bound."""
    proven: bool = False
    """Whether it was ever ready."""
    ended_job: str = ""
    """What the host said of its agent's end; believed for nothing that matters."""
    unseen_since: datetime | None = None
    """Since when EC2 does not show it; None while it does."""
    words_kept: bool = False
    """Whether its last words were written to the log group."""
    reason: str = ""
    history: tuple[Step, ...] = ()
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether a tick must look at it."""
        return self.state.traits.open

    @property
    def bootstrap_row(self) -> str | None:
        """Key of the mailbox row that it may write as bootstrap."""
        return self.instance_id and f"{self.pinned.bootstrap_role_id}:{self.instance_id}"

    @property
    def sandbox_row(self) -> str | None:
        """Key of the mailbox row whose first write is the proof."""
        return self.instance_id and f"{self.pinned.sandbox_role_id}:{self.instance_id}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """A queue's account of launches: what overlapping ticks race for, and no index can blur."""

    queue: str
    epoch: datetime
    """When the row was made: keeps launch ids apart from those of a deleted stack's namesake."""
    next_launch: int = 0
    live: int = 0
    """Slots launched and not yet terminated."""
    freed: int = 0
    """Slots freed so far, when this was read: tells a save what was freed since."""
    recent: tuple[tuple[datetime, int], ...] = ()
    """Launches of the last minute: when, how many slots."""
    retry_at: Mapping[str, datetime] = field(default_factory=dict)
    """By shape: no launch before this time, because EC2 had no capacity."""
    misses: Mapping[str, int] = field(default_factory=dict)
    """By shape: launches in a row for which EC2 had nothing at all."""
    spot_dry_until: Mapping[str, datetime] = field(default_factory=dict)
    """By shape: until then `spot-then-on-demand` buys on demand."""
    version: int = 0


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A queue as `provision` last understood it: the one source of configuration for all others."""

    queue: str
    infra: str
    """The queue stack's JSON, as published."""
    config: str
    """The last good configuration, as JSON."""
    spec: str
    problems: tuple[str, ...] = ()
    """Why what operators wrote is not in force: one line for each bad parameter."""
    active: bool = True
    """False when the queue stack is gone: no new work, until the last instance has ended."""
    version: int = 0

    @property
    def open(self) -> bool:
        """A queue is looked at until its record is dropped."""
        return True


@dataclass(frozen=True, slots=True)
class Stray:
    """An EC2 instance with our tag that no record explains, and when that was first seen."""

    instance_id: str
    first_seen: datetime
    version: int = 0

    @property
    def open(self) -> bool:
        """A stray is looked at until its row is dropped."""
        return True


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may act for dispatch. `fence` rises with every holder and guards every write."""

    holder: str
    fence: int
    until: datetime
    version: int = 0


Record: TypeAlias = Claim | Launch | Instance | Ledger | QueueRecord | Stray | Lease
AnyRecord = TypeVar("AnyRecord", Claim, Launch, Instance, Ledger, QueueRecord, Stray, Lease)


def saved(record: AnyRecord) -> AnyRecord:
    """The record as it stands after a successful write: one version on."""
    return replace(record, version=record.version + 1)


def launch_id(stack: str, ledger: Ledger) -> str:
    """The id of the next launch: derived from what it stands for, 32 hexadecimal digits."""
    name = f"{stack}/{ledger.queue}/{ledger.epoch.isoformat()}/{ledger.next_launch}"
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def move_claim(claim: Claim, state: ClaimState, now: datetime, reason: str) -> Claim:
    """The claim in its next state. Raises Illegal for an edge that the table lacks."""
    check_edge(claim.state, state)
    steps = (*claim.history, Step(state, now, reason))[-HISTORY:]
    return replace(claim, state=state, since=now, reason=reason, history=steps)


def move_instance(instance: Instance, state: InstanceState, now: datetime, reason: str) -> Instance:
    """The instance in its next state. Raises Illegal for an edge that the table lacks."""
    check_edge(instance.state, state)
    steps = (*instance.history, Step(state, now, reason))[-HISTORY:]
    return replace(instance, state=state, since=now, reason=reason, history=steps)


def settle_launch(launch: Launch, now: datetime, reason: str) -> Launch:
    """The launch, settled. Raises Illegal when it is settled already."""
    check_edge(launch.state, LaunchState.SETTLED)
    steps = (*launch.history, Step(LaunchState.SETTLED, now, reason))[-HISTORY:]
    return replace(launch, state=LaunchState.SETTLED, since=now, reason=reason, history=steps)
