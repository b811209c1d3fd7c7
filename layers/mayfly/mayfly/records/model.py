"""The records of Mayfly as frozen values, stored in the Fleet table and read by decisions.

Every record has a `version`, the number of writes so far; 0 means never written. A save requires
the version that was read, so a lost race is a Conflict and never a lost update. All times are
aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, TypeVar

from mayfly.records.audit import ParameterChange, ParametersSeen, SpecChange
from mayfly.records.bounds import LONGEST_REASON, cut
from mayfly.records.ledger import Ledger
from mayfly.records.phases import NO_PHASES, Phases, reached
from mayfly.records.prices import Prices
from mayfly.records.standing import Standing
from mayfly.records.states import ClaimState, InstanceState, LaunchState, check_edge
from mayfly.records.why import Why
from mayfly_protocol.job_facts import JobFacts

HISTORY = 20
"""Latest steps kept in a record; the life of an instance that is never stopped has fewer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state with its time and reason."""

    state: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A job's requirements on an instance; instances of equal shape are interchangeable."""

    queue: str
    architecture: str
    instance_types: tuple[str, ...]
    purchase: str

    def __str__(self) -> str:
        """The shape's name in records and logs: `queue/architecture/purchase/type+type`."""
        return f"{self.queue}/{self.architecture}/{self.purchase}/{'+'.join(self.instance_types)}"

    @classmethod
    def parse(cls, text: str) -> Shape:
        """The shape that this text names. Raises ValueError."""
        queue, architecture, purchase, types = text.split("/")
        return cls(queue, architecture, tuple(types.split("+")), purchase)


@dataclass(frozen=True, slots=True, order=True)
class SlotKey:
    """Slot `number` of a launch: names an instance before EC2 gives it an id."""

    launch: str
    number: int

    def __str__(self) -> str:
        """The slot's name in records and logs: `launch/number`."""
        return f"{self.launch}/{self.number}"


@dataclass(frozen=True, slots=True)
class Noted:
    """The notes on a job's page so far, which say why the job has not begun."""

    cause: str = ""
    """Cause of the latest note; empty without a note."""
    attempt: int = 1
    """Attempt in which the latest note was written."""
    number: int = 0
    """Number of notes."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One job that Mayfly has reserved, or is about to reserve."""

    job: str
    queue: str
    shape: Shape
    """The shape at the last write; ticks derive the present shape from `rules`."""
    state: ClaimState
    since: datetime
    """When the claim entered this state."""
    runnable_at: datetime
    """Start of the job's runnable time, from Buildkite's list."""
    rules: tuple[str, ...] | None = None
    """The job's agent query rules. None in a row without them: such a claim keeps its shape."""
    attempt: int = 1
    retry: int = 0
    """How often the job was retried at Buildkite before; 0 where that was not read."""
    priority: int = 0
    pipeline: str = ""
    build: int = 0
    step: str = ""
    repository: str | None = None
    """The repository that policy requires of this job; the host checks the repository again."""
    facts: JobFacts | None = None
    """What decides what the job is given; None where the queue gave nothing at the opening."""
    reserved_until: datetime | None = None
    """End of the reservation; None before the first answer."""
    slot: SlotKey | None = None
    token_until: datetime | None = None
    """Expiry of this attempt's acquisition token. The token itself is in no record."""
    told: bool = True
    """False while Mayfly still has to tell Buildkite that the job failed, or the job's page that
    its machine has ended."""
    noted: Noted = Noted()
    why: Why | None = None
    """Why the job still waits; None while nothing is known to hold it back. Its text and next try
    are those of the last change of code or subject: the queue's standing has the present ones."""
    phases: Phases = NO_PHASES
    reason: str = ""
    history: tuple[Step, ...] = ()
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether ticks read the claim: its state can change, or Buildkite is still to be told."""
        return self.state.traits.open or not self.told

    def reserved(self, now: datetime) -> bool:
        """Whether the reservation holds at `now`; without one another stack may take the job."""
        return self.reserved_until is not None and now < self.reserved_until


@dataclass(frozen=True, slots=True)
class Pinned:
    """Values that a launch fixes for its instances; later changes of the queue do not apply."""

    bootstrap_profile: str
    sandbox_profile: str
    bootstrap_role_id: str
    sandbox_role_id: str
    script_minutes: int = 0
    """Allowance for the operator's bootstrap script, on top of the deadline for booting."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One CreateFleet request, recorded whole before it is sent. `id` is ClientToken and tag."""

    id: str
    queue: str
    shape: Shape
    state: LaunchState
    since: datetime
    created: datetime
    request: str
    """The CreateFleet request as JSON, sent byte for byte in every attempt."""
    slots: int
    spec: str
    market: str
    """`spot` or `on-demand`."""
    errors: tuple[str, ...] = ()
    """EC2's errors for unfilled slots, as `code: message`."""
    reason: str = ""
    history: tuple[Step, ...] = ()
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether EC2's answer is still to come."""
        return self.state.traits.open


@dataclass(frozen=True, slots=True)
class Instance:
    """One slot of a launch: an EC2 instance from its request to its end."""

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
    """The kernel's boot id from the latest proof."""
    job: str | None = None
    max_minutes: int = 0
    """The job's time limit in minutes, set when a job is bound."""
    proven: bool = False
    """Whether the instance was ever ready."""
    boot_minutes: int = 5
    """Minutes until the host's first report must have come, as configured at the launch."""
    ended_job: str = ""
    """The host's report of its agent's end; no decision that matters trusts the host's word."""
    unseen_since: datetime | None = None
    """Start of the time in which EC2 does not show the instance; None while EC2 shows it."""
    words_kept: bool = False
    """Whether the instance's last words were written to the log group."""
    owes_words: bool = False
    """Whether a closed instance's last words are still to be kept and its mailbox rows cleared."""
    retired: bool = False
    """Whether the instance was given up before it was ready because no job needed it any more."""
    instance_type: str = ""
    """The type that EC2 launched; here and below empty for what EC2 has not told (yet)."""
    zone: str = ""
    """Availability zone, such as `eu-central-1a`."""
    market: str = ""
    """`spot` or `on-demand`."""
    price: str = ""
    """USD for an hour at the launch, as a decimal number; empty for an unknown price."""
    end_price: str = ""
    """USD for an hour at the end, as a decimal number; empty for an unknown price."""
    starts: int = 0
    """Number of commanded starts from the stopped state: the number of the latest order."""
    start_after: datetime | None = None
    """No start before this time, because EC2 had no capacity; None where nothing forbids one."""
    reason: str = ""
    history: tuple[Step, ...] = ()
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether ticks read the instance: in every state but the last, and while it owes words."""
        return self.state.traits.open or self.owes_words

    @property
    def bootstrap_row(self) -> str | None:
        """Key of the mailbox row for the bootstrap role; None before EC2 gives an id."""
        return self.instance_id and f"{self.pinned.bootstrap_role_id}:{self.instance_id}"

    @property
    def sandbox_row(self) -> str | None:
        """Key of the mailbox row for the sandbox role, None before EC2 gives an id.

        The first write to this row proves that the sandbox profile is in place.
        """
        return self.instance_id and f"{self.pinned.sandbox_role_id}:{self.instance_id}"

    @property
    def reporting_rows(self) -> tuple[str, ...]:
        """Keys of the mailbox rows whose reports of the host's end count.

        The bootstrap row of a proven instance does not: a holder of old bootstrap credentials
        could still write there.
        """
        rows = (self.sandbox_row, None if self.proven else self.bootstrap_row)
        return tuple(row for row in rows if row)


@dataclass(frozen=True, slots=True)
class RolesVerdict:
    """What `provision` found when it last read both roles of a queue from IAM."""

    at: datetime
    about: str
    """Digest of the roles and of what is attached to them."""
    refused: str = ""
    """Why no instance may have the roles; empty when instances may."""


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A queue as `provision` last read it: the other functions take all configuration from here.

    `dispatch` writes `paused_at_buildkite` alone.
    """

    queue: str
    infra: str
    """The queue stack's JSON, as published."""
    config: str
    """The last good configuration, as JSON."""
    spec: str
    problems: tuple[str, ...] = ()
    """Reasons why operators' values are not in force: one line for each bad parameter."""
    warnings: tuple[str, ...] = ()
    """What operators should change in the configuration in force: one line for each parameter."""
    active: bool = True
    """False when the queue stack is gone: no new work; the record stays until all instances end."""
    zones: tuple[tuple[str, str], ...] = ()
    """Subnet ids with their availability zones, from EC2; subnets without an answer are omitted."""
    paused_at_buildkite: bool = False
    """Whether the queue is paused at Buildkite, by the last list that `dispatch` had of it."""
    roles: RolesVerdict | None = None
    """Whether instances may have the queue's roles; None while the roles were never read."""
    version: int = 0

    @property
    def open(self) -> bool:
        """Always True: ticks read a queue until its record is dropped."""
        return True


@dataclass(frozen=True, slots=True)
class Stray:
    """An EC2 instance with the stack's tag but no record, and the time it was first seen."""

    instance_id: str
    first_seen: datetime
    version: int = 0

    @property
    def open(self) -> bool:
        """Always True: ticks read a stray until its row is dropped."""
        return True


@dataclass(frozen=True, slots=True)
class Heard:
    """What Buildkite last said to `dispatch`."""

    listed_at: datetime | None = None
    """When Buildkite last answered a list of jobs; None before."""
    refused_since: datetime | None = None
    """Since when Buildkite refuses the agent token; None while the token is good."""
    refusal: str = ""
    """Why the token is refused; empty while it is good."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act for `dispatch`. `fence` rises with every holder and guards every write."""

    holder: str
    fence: int
    until: datetime
    buildkite: Heard = Heard()
    """As of the last renewal, so at most seconds old while `dispatch` runs."""
    version: int = 0


Record: TypeAlias = (
    Claim
    | Launch
    | Instance
    | Ledger
    | QueueRecord
    | Stray
    | Lease
    | Standing
    | ParameterChange
    | ParametersSeen
    | Prices
    | SpecChange
)
AnyRecord = TypeVar(
    "AnyRecord",
    Claim,
    Launch,
    Instance,
    Ledger,
    QueueRecord,
    Stray,
    Lease,
    Standing,
    ParameterChange,
    ParametersSeen,
    Prices,
    SpecChange,
)


def saved(record: AnyRecord) -> AnyRecord:
    """The record after a successful write: the same values at the next version."""
    return replace(record, version=record.version + 1)


def move_claim(claim: Claim, state: ClaimState, now: datetime, reason: str) -> Claim:
    """The claim in `state` since `now`, held back by nothing that is known.

    Raises Illegal for an edge not in CLAIM_STATES.
    """
    check_edge(claim.state, state)
    reason = cut(reason, LONGEST_REASON)
    steps = (*claim.history, Step(state, now, reason))[-HISTORY:]
    phases = reached(claim.phases, state, now)
    return replace(
        claim, state=state, since=now, phases=phases, why=None, reason=reason, history=steps
    )


def move_instance(instance: Instance, state: InstanceState, now: datetime, reason: str) -> Instance:
    """The instance in `state` since `now`. Raises Illegal for an edge not in INSTANCE_STATES."""
    check_edge(instance.state, state)
    reason = cut(reason, LONGEST_REASON)
    steps = (*instance.history, Step(state, now, reason))[-HISTORY:]
    return replace(instance, state=state, since=now, reason=reason, history=steps)


def settle_launch(launch: Launch, now: datetime, reason: str) -> Launch:
    """The launch in state SETTLED since `now`. Raises Illegal for a settled launch."""
    check_edge(launch.state, LaunchState.SETTLED)
    reason = cut(reason, LONGEST_REASON)
    steps = (*launch.history, Step(LaunchState.SETTLED, now, reason))[-HISTORY:]
    return replace(launch, state=LaunchState.SETTLED, since=now, reason=reason, history=steps)
