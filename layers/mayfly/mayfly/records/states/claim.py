"""The states of a claim and the traits of each state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto

from mayfly.records.states.table import exhaustive


class ClaimState(StrEnum):
    """Progress of a job that Mayfly has reserved."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    RUNNING = "running"
    FINISHED = "finished"
    RELEASED = "released"
    FAILED = "failed"

    @property
    def traits(self) -> ClaimTraits:
        """The row of this state."""
        return CLAIM_STATES[self]


class Watch(Enum):
    """How often `dispatch` reads the claims of a state."""

    NEVER = auto()
    WIDE = auto()
    """Only in wide ticks: the claim does not need a read in every tick."""
    ALWAYS = auto()


class Agent(Enum):
    """Whether an agent has the job."""

    NONE = auto()
    """No agent ever had the job: after the claim closes, a new listing opens a new claim."""
    RUNS = auto()
    """The end of its instance finishes the claim."""
    ENDED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTraits:
    """Traits of a claim's state. A claim with `told=False` is open in every state."""

    rank: int
    """Place in the stored key of the index `open`. Never change or reuse a rank."""
    edges: Mapping[ClaimState, str]
    """The states that may follow, each with its cause. A state without edges is closed."""
    deadline: timedelta | None
    """Longest time in the state, for a job that Buildkite does not know any more; None for none."""
    watch: Watch
    waits: bool
    """Whether the job needs an instance: `provision` launches for these claims."""
    bound: bool
    """Whether an instance is bound to the claim and no agent has accepted the job yet."""
    agent: Agent
    told_to_buildkite: bool
    """Whether Mayfly tells Buildkite that the job failed."""

    @property
    def open(self) -> bool:
        """Whether the state has edges."""
        return bool(self.edges)

    def overstayed(self, lasted: timedelta) -> bool:
        """Whether `lasted`, the time in the state, exceeds the deadline."""
        return self.deadline is not None and lasted > self.deadline

    @property
    def given_up(self) -> bool:
        """Whether the claim closed before an agent had the job; the claim's reason says why."""
        return not self.open and self.agent is Agent.NONE


_S = ClaimState

CLAIM_STATES: Mapping[ClaimState, ClaimTraits] = exhaustive(
    ClaimState,
    {
        _S.WAITING: ClaimTraits(
            rank=1,
            edges={
                _S.ASSIGNED: "a ready instance was bound to the job",
                _S.RELEASED: "cancelled, taken by someone else, or given back to Buildkite",
                _S.FAILED: "the job cannot run here; Buildkite is told the reason",
            },
            # A job that Buildkite reserves, or knows, waits for as long as it takes, and so does
            # one of which Buildkite says nothing because it does not answer. The hour counts from
            # the end of the reservation, for a job that Buildkite answers not to know.
            deadline=timedelta(hours=1),
            watch=Watch.ALWAYS,
            waits=True,
            bound=False,
            agent=Agent.NONE,
            told_to_buildkite=False,
        ),
        _S.ASSIGNED: ClaimTraits(
            rank=2,
            edges={
                _S.RUNNING: "Buildkite says that an agent has accepted the job",
                _S.WAITING: "the attempt failed before Buildkite said accepted",
                _S.RELEASED: "cancelled or taken by someone else before an agent accepted the job",
                _S.FAILED: "the last attempt failed; Buildkite is told the reason",
            },
            # Attempts end much sooner: the deadline ends claims that Buildkite stopped reporting.
            deadline=timedelta(hours=1),
            watch=Watch.ALWAYS,
            waits=False,
            bound=True,
            agent=Agent.NONE,
            told_to_buildkite=False,
        ),
        _S.RUNNING: ClaimTraits(
            rank=3,
            edges={_S.FINISHED: "the job or its instance has ended"},
            deadline=None,  # The deadline of the claim's instance ends the claim.
            watch=Watch.WIDE,
            waits=False,
            bound=False,
            agent=Agent.RUNS,
            told_to_buildkite=False,
        ),
        _S.FINISHED: ClaimTraits(
            # Beside FAILED: `dispatch` reads both in one index query, and has something to tell in
            # both. No stored row has another rank: a finished claim was never in the index before.
            rank=-1,
            edges={},
            deadline=None,
            watch=Watch.ALWAYS,
            waits=False,
            bound=False,
            agent=Agent.ENDED,
            told_to_buildkite=False,
        ),
        _S.RELEASED: ClaimTraits(
            rank=5,
            edges={},
            deadline=None,
            watch=Watch.NEVER,
            waits=False,
            bound=False,
            agent=Agent.NONE,
            told_to_buildkite=False,
        ),
        _S.FAILED: ClaimTraits(
            # Rank 0, next to WAITING and ASSIGNED: `dispatch` reads the three in one index query.
            rank=0,
            edges={},
            deadline=None,
            watch=Watch.ALWAYS,
            waits=False,
            bound=False,
            agent=Agent.NONE,
            told_to_buildkite=True,
        ),
    },
)
