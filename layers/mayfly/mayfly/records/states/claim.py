"""The states of a claim, and what each of them means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto

from mayfly.records.states.table import exhaustive


class ClaimState(StrEnum):
    """Where a job stands that Mayfly has reserved."""

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
    """In its wide ticks alone: such a claim needs no look at every tick."""
    ALWAYS = auto()


class Agent(Enum):
    """Whether an agent has the job."""

    NONE = auto()
    """None ever had it: a job that is closed like this gets a new claim when it is listed again."""
    RUNS = auto()
    """The end of its instance finishes the claim."""
    ENDED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTraits:
    """What a claim's state means. A claim that Buildkite is to be told of is open in any state."""

    rank: int
    """Place in the stored key of the index `open`: never changed, and never used again."""
    edges: Mapping[ClaimState, str]
    """The states that may follow, each with its cause. A state without one is closed."""
    deadline: timedelta | None
    """How long it may last; then the claim goes back to Buildkite."""
    watch: Watch
    waits: bool
    """Whether the job needs an instance: what is launched is launched for these."""
    bound: bool
    """Whether an instance is bound to it and Buildkite has yet to say that an agent has the job."""
    agent: Agent
    told_to_buildkite: bool
    """Whether Buildkite is told that the job failed here."""

    @property
    def open(self) -> bool:
        """Whether an edge leads on."""
        return bool(self.edges)

    def overstayed(self, lasted: timedelta) -> bool:
        """Whether the deadline is over."""
        return self.deadline is not None and lasted > self.deadline

    @property
    def given_up(self) -> bool:
        """Whether Mayfly let go of the job before an agent had it; the reason says why."""
        return not self.open and self.agent is Agent.NONE


_S = ClaimState

CLAIM_STATES: Mapping[ClaimState, ClaimTraits] = exhaustive(
    ClaimState,
    {
        _S.WAITING: ClaimTraits(
            rank=1,
            edges={
                _S.ASSIGNED: "a ready instance was bound to it",
                _S.RELEASED: "cancelled, taken by someone else, or given back to Buildkite",
                _S.FAILED: "it cannot run here; Buildkite is told the reason",
            },
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
                _S.RUNNING: "Buildkite says that an agent has accepted it",
                _S.WAITING: "the attempt failed before Buildkite said accepted",
                _S.RELEASED: "cancelled or taken by someone else before it was accepted",
                _S.FAILED: "the last attempt failed; Buildkite is told the reason",
            },
            # An attempt is over much sooner: this ends what Buildkite says nothing of any more.
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
            deadline=None,  # The deadline of its instance ends it.
            watch=Watch.WIDE,
            waits=False,
            bound=False,
            agent=Agent.RUNS,
            told_to_buildkite=False,
        ),
        _S.FINISHED: ClaimTraits(
            rank=4,
            edges={},
            deadline=None,
            watch=Watch.NEVER,
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
            # Before those that `dispatch` reads with it: together they are one span of the index.
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
