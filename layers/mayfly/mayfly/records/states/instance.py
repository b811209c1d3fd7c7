"""The states of an instance, and what each of them means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto

from mayfly.records.states.table import exhaustive


class InstanceState(StrEnum):
    """Where one slot of a launch stands, from the wish to the end of the machine."""

    REQUESTED = "requested"
    LAUNCHING = "launching"
    BOOTING = "booting"
    BOOTSTRAPPED = "bootstrapped"
    SWAPPING = "swapping"
    READY = "ready"
    ASSIGNED = "assigned"
    RUNNING = "running"
    DONE = "done"
    CONDEMNED = "condemned"
    TERMINATED = "terminated"

    @property
    def traits(self) -> InstanceTraits:
        """The row of this state."""
        return INSTANCE_STATES[self]


class Supply(Enum):
    """Whether an instance counts for the jobs that wait."""

    NONE = auto()
    COMING = auto()
    """It will be ready if nothing goes wrong."""
    READY = auto()
    """It can take a job at once; until then it is idle."""


class SetUp(Enum):
    """How far an instance is on its way to ready, which `sandbox` moves it along."""

    NONE = auto()
    """It is not on its way: `sandbox` does not look at it."""
    AWAITED = auto()
    """Its supervisor has not reported."""
    UNDER_WAY = auto()
    COMPLETE = auto()
    """Its profile can be replaced."""
    TO_BE_PROVEN = auto()
    """Its profile is replaced, and the proof of that is to come."""


class Allowance(Enum):
    """What the queue adds to the deadline of a state; the host enforces it itself."""

    NONE = auto()
    SCRIPT = auto()
    """The time limit of the operator's bootstrap script."""
    JOB = auto()
    """The job's ceiling."""


class Reaping(Enum):
    """What `reap` does about an instance that EC2 has not ended."""

    NONE = auto()
    JUDGE = auto()
    """Condemn it for its deadline, for what EC2 says, or for what its host says."""
    AWAIT_POWER_OFF = auto()
    """Keep its last words; terminate it only when it has not gone by the deadline."""
    TERMINATE = auto()
    """Keep its last words; terminate it, unless it is kept for a look."""


class OwnEnd(Enum):
    """What a host's report of its end means to `reap`."""

    NOTHING = auto()
    """Nothing by itself: `sandbox` acts on it, or the end is known."""
    CONDEMNS = auto()
    """A proven host that failed takes no job."""
    ENDS_JOB = auto()
    """Its agent has ended."""


class Ending(Enum):
    """What EC2's `shutting-down` and `terminated` mean."""

    EXPECTED = auto()
    """The record's own reason says why."""
    CONDEMNS = auto()
    BORNE = auto()
    """Nothing before `terminated`: a job has until its limit to end by itself."""


class SpotWarning(Enum):
    """What EC2's warning means that it takes a spot instance back."""

    NOTHING = auto()
    CONDEMNS = auto()
    """It takes no job any more."""
    REACHES_HOST = auto()
    """The host is told, and stops its job only as early as it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceTraits:
    """What an instance's state means."""

    rank: int
    """Place in the stored key of the index `open`: never changed, and never used again."""
    edges: Mapping[InstanceState, str]
    """The states that may follow, each with its cause. A state without one is closed."""
    deadline: timedelta | None
    """How long it may last. None where something else bounds it."""
    allowance: Allowance
    supply: Supply
    awaits_launch: bool
    """Whether EC2's answer to its launch is still to come."""
    notes_instance_id: bool
    """Whether a save notes for which slot the EC2 instance id stands: once, when it is new."""
    set_up: SetUp
    awaits_acceptance: bool
    """Whether a job is bound to it and Buildkite has yet to say that its agent has the job."""
    explains_attempt: bool
    """Whether its reason says why the attempt at a job failed."""
    reaping: Reaping
    own_end: OwnEnd
    ending: Ending
    stop_condemns: bool
    """Whether EC2's `stopping` and `stopped` condemn it: somebody else has stopped it."""
    spot_warning: SpotWarning

    @property
    def open(self) -> bool:
        """Whether an edge leads on."""
        return bool(self.edges)

    def overstayed(self, lasted: timedelta) -> bool:
        """Whether the deadline is over, without an allowance."""
        return self.deadline is not None and lasted > self.deadline


_S = InstanceState

REPEAT_LAUNCH = timedelta(minutes=10)
"""How long an unanswered CreateFleet is repeated byte for byte."""

_GONE = {_S.TERMINATED: "EC2 says that the instance is terminated"}
_ENDS = {_S.CONDEMNED: "it failed, overstayed, or is not needed any more", **_GONE}

INSTANCE_STATES: Mapping[InstanceState, InstanceTraits] = exhaustive(
    InstanceState,
    {
        _S.REQUESTED: InstanceTraits(
            rank=0,
            edges={
                _S.LAUNCHING: "EC2 returned an instance id for the slot, "
                "or it was seen with our tag",
                _S.TERMINATED: "EC2 did not launch it",
            },
            deadline=REPEAT_LAUNCH,
            allowance=Allowance.NONE,
            supply=Supply.COMING,
            awaits_launch=True,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.NONE,
            own_end=OwnEnd.NOTHING,
            ending=Ending.BORNE,
            stop_condemns=False,
            spot_warning=SpotWarning.NOTHING,
        ),
        _S.LAUNCHING: InstanceTraits(
            rank=1,
            edges={_S.BOOTING: "the supervisor's first report arrived", **_ENDS},
            deadline=timedelta(minutes=5),
            allowance=Allowance.NONE,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=True,
            set_up=SetUp.AWAITED,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            own_end=OwnEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop_condemns=True,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.BOOTING: InstanceTraits(
            rank=2,
            edges={_S.BOOTSTRAPPED: "the supervisor reports that set-up is done", **_ENDS},
            deadline=timedelta(minutes=10),
            allowance=Allowance.SCRIPT,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.UNDER_WAY,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            own_end=OwnEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop_condemns=True,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.BOOTSTRAPPED: InstanceTraits(
            rank=3,
            edges={_S.SWAPPING: "its profile is about to be replaced", **_ENDS},
            deadline=timedelta(minutes=2),
            allowance=Allowance.NONE,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.COMPLETE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            own_end=OwnEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop_condemns=True,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.SWAPPING: InstanceTraits(
            rank=4,
            edges={
                _S.READY: "it wrote its sandbox row, and EC2 shows the sandbox profile alone",
                **_ENDS,
            },
            deadline=timedelta(minutes=6),
            allowance=Allowance.NONE,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.TO_BE_PROVEN,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            own_end=OwnEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop_condemns=True,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.READY: InstanceTraits(
            rank=5,
            edges={_S.ASSIGNED: "a job was bound to it", **_ENDS},
            deadline=None,  # `pool/max-idle-hours` bounds it.
            allowance=Allowance.NONE,
            supply=Supply.READY,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            own_end=OwnEnd.CONDEMNS,
            ending=Ending.CONDEMNS,
            stop_condemns=True,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.ASSIGNED: InstanceTraits(
            rank=6,
            edges={_S.RUNNING: "Buildkite says that its agent has accepted the job", **_ENDS},
            deadline=timedelta(minutes=3),
            allowance=Allowance.NONE,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=True,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            own_end=OwnEnd.CONDEMNS,
            ending=Ending.CONDEMNS,
            stop_condemns=True,
            spot_warning=SpotWarning.REACHES_HOST,
        ),
        _S.RUNNING: InstanceTraits(
            rank=7,
            edges={_S.DONE: "its agent has ended", **_ENDS},
            # An agent may need 25 minutes after its command to deliver the log through an outage.
            deadline=timedelta(minutes=30),
            allowance=Allowance.JOB,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            own_end=OwnEnd.ENDS_JOB,
            ending=Ending.BORNE,
            stop_condemns=False,
            spot_warning=SpotWarning.REACHES_HOST,
        ),
        _S.DONE: InstanceTraits(
            rank=8,
            edges=_GONE,
            deadline=timedelta(minutes=2),
            allowance=Allowance.NONE,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.AWAIT_POWER_OFF,
            own_end=OwnEnd.NOTHING,
            ending=Ending.EXPECTED,
            stop_condemns=False,
            spot_warning=SpotWarning.NOTHING,
        ),
        _S.CONDEMNED: InstanceTraits(
            rank=9,
            edges=_GONE,
            deadline=timedelta(minutes=2),
            allowance=Allowance.NONE,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=True,
            reaping=Reaping.TERMINATE,
            own_end=OwnEnd.NOTHING,
            ending=Ending.EXPECTED,
            stop_condemns=False,
            spot_warning=SpotWarning.NOTHING,
        ),
        _S.TERMINATED: InstanceTraits(
            rank=10,
            edges={},
            deadline=None,
            allowance=Allowance.NONE,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=True,
            reaping=Reaping.NONE,
            own_end=OwnEnd.NOTHING,
            ending=Ending.EXPECTED,
            stop_condemns=False,
            spot_warning=SpotWarning.NOTHING,
        ),
    },
)
