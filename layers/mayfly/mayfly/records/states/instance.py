"""The states of an instance and the traits of each state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto

from mayfly.records.states.table import exhaustive


class InstanceState(StrEnum):
    """Progress of one slot of a launch, from the request to the end of the machine."""

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
    """Whether an instance counts as supply for waiting jobs."""

    NONE = auto()
    COMING = auto()
    """The instance will be ready if nothing goes wrong."""
    READY = auto()
    """The instance is idle and can take a job at once."""


class SetUp(Enum):
    """Progress of an instance's set-up, which `sandbox` drives."""

    NONE = auto()
    """The instance is not being set up: `sandbox` does not read it."""
    AWAITED = auto()
    """The supervisor has not reported yet."""
    UNDER_WAY = auto()
    COMPLETE = auto()
    """The profile can be replaced."""
    TO_BE_PROVEN = auto()
    """The profile is being replaced, and the proof of the replacement is outstanding."""


class Allowance(Enum):
    """Time that the queue's configuration adds to a state's deadline, or puts in its place.

    The host enforces the limits of script and job too.
    """

    NONE = auto()
    BOOT = auto()
    """The time until the host's first report; it takes the deadline's place."""
    SCRIPT = auto()
    """The time limit of the operator's bootstrap script."""
    JOB = auto()
    """The job's time limit."""


class Reaping(Enum):
    """What `reap` does with an instance that EC2 has not ended."""

    NONE = auto()
    JUDGE = auto()
    """Condemn the instance for its deadline, for EC2's word, or for its host's word."""
    AWAIT_POWER_OFF = auto()
    """Keep the last words; terminate the instance only if it still runs at the deadline."""
    TERMINATE = auto()
    """Keep the last words; terminate the instance, unless keep-failed keeps it for a look."""


class HostEnd(Enum):
    """What a host's report of its own end means to `reap`."""

    NOTHING = auto()
    """No effect: `sandbox` acts on the report, or the end is known."""
    CONDEMNS = auto()
    """The instance is condemned: a proven host that failed takes no job."""
    ENDS_JOB = auto()
    """The instance is done: the host's agent has ended."""


class Ending(Enum):
    """What EC2's states `shutting-down` and `terminated` mean."""

    EXPECTED = auto()
    """The record's own reason explains the end."""
    CONDEMNS = auto()
    TOLERATED = auto()
    """`shutting-down` has no effect: a job has until its limit to end by itself."""


class Stop(Enum):
    """What EC2's states `stopping` and `stopped` mean: somebody else stopped the instance."""

    EXPECTED = auto()
    """No effect."""
    CONDEMNS_AT_END = auto()
    """`stopped` condemns the instance. While it is `stopping`, its job may still end by itself."""
    CONDEMNS = auto()


class SpotWarning(Enum):
    """What EC2's spot interruption warning means."""

    NOTHING = auto()
    CONDEMNS = auto()
    """The instance takes no more jobs."""
    REACHES_HOST = auto()
    """`reap` warns the host, which stops its job only as early as necessary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceTraits:
    """Traits of an instance's state."""

    rank: int
    """Place in the stored key of the index `open`. Never change or reuse a rank."""
    edges: Mapping[InstanceState, str]
    """The states that may follow, each with its cause. A state without edges is closed."""
    deadline: timedelta | None
    """Longest time in the state, without the allowance. None where another limit applies."""
    allowance: Allowance
    supply: Supply
    awaits_launch: bool
    """Whether EC2 has not answered the launch yet."""
    notes_instance_id: bool
    """Whether a save also writes the row from EC2 instance id to slot: once, for a new id."""
    set_up: SetUp
    awaits_acceptance: bool
    """Whether a job is bound to the instance and its agent has not accepted the job yet."""
    explains_attempt: bool
    """Whether the instance's reason explains why the attempt at a job failed."""
    reaping: Reaping
    host_end: HostEnd
    ending: Ending
    stop: Stop
    spot_warning: SpotWarning

    @property
    def open(self) -> bool:
        """Whether the state has edges."""
        return bool(self.edges)

    def overstayed(self, lasted: timedelta) -> bool:
        """Whether `lasted`, the time in the state, exceeds the deadline without the allowance."""
        return self.deadline is not None and lasted > self.deadline


_S = InstanceState

REPEAT_LAUNCH = timedelta(minutes=10)
"""Time in which an unanswered CreateFleet request is repeated byte for byte."""

_TERMINATION = {_S.TERMINATED: "EC2 says that the instance is terminated"}
_EARLY_END = {
    _S.CONDEMNED: "the instance failed, exceeded a deadline, or is not needed any more",
    **_TERMINATION,
}

INSTANCE_STATES: Mapping[InstanceState, InstanceTraits] = exhaustive(
    InstanceState,
    {
        _S.REQUESTED: InstanceTraits(
            rank=0,
            edges={
                _S.LAUNCHING: "EC2 returned an instance id for the slot, "
                "or showed an instance with the launch's tag",
                _S.TERMINATED: "EC2 did not launch the instance",
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
            host_end=HostEnd.NOTHING,
            ending=Ending.TOLERATED,
            stop=Stop.EXPECTED,
            spot_warning=SpotWarning.NOTHING,
        ),
        _S.LAUNCHING: InstanceTraits(
            rank=1,
            edges={_S.BOOTING: "the supervisor's first report arrived", **_EARLY_END},
            deadline=timedelta(minutes=5),
            allowance=Allowance.BOOT,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=True,
            set_up=SetUp.AWAITED,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop=Stop.CONDEMNS,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.BOOTING: InstanceTraits(
            rank=2,
            edges={_S.BOOTSTRAPPED: "the supervisor reports that set-up is done", **_EARLY_END},
            deadline=timedelta(minutes=10),
            allowance=Allowance.SCRIPT,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.UNDER_WAY,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop=Stop.CONDEMNS,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.BOOTSTRAPPED: InstanceTraits(
            rank=3,
            edges={_S.SWAPPING: "the instance's profile is about to be replaced", **_EARLY_END},
            deadline=timedelta(minutes=2),
            allowance=Allowance.NONE,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.COMPLETE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop=Stop.CONDEMNS,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.SWAPPING: InstanceTraits(
            rank=4,
            edges={
                _S.READY: "the host wrote its sandbox row, and EC2 shows only the sandbox profile",
                **_EARLY_END,
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
            host_end=HostEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop=Stop.CONDEMNS,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.READY: InstanceTraits(
            rank=5,
            edges={_S.ASSIGNED: "a job was bound to the instance", **_EARLY_END},
            deadline=None,  # `pool/max-idle-hours` limits the state.
            allowance=Allowance.NONE,
            supply=Supply.READY,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.CONDEMNS,
            ending=Ending.CONDEMNS,
            stop=Stop.CONDEMNS,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.ASSIGNED: InstanceTraits(
            rank=6,
            edges={
                _S.RUNNING: "Buildkite says that the instance's agent has accepted the job",
                **_EARLY_END,
            },
            # A host reads its row ten times a second, and reports its agent moments later. Longest
            # steps between: 10 s for the second gate, seconds for rules and the agent's start.
            deadline=timedelta(seconds=45),
            allowance=Allowance.NONE,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=True,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.CONDEMNS,
            ending=Ending.CONDEMNS,
            stop=Stop.CONDEMNS,
            spot_warning=SpotWarning.REACHES_HOST,
        ),
        _S.RUNNING: InstanceTraits(
            rank=7,
            edges={_S.DONE: "the instance's agent has ended", **_EARLY_END},
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
            host_end=HostEnd.ENDS_JOB,
            ending=Ending.TOLERATED,
            stop=Stop.CONDEMNS_AT_END,
            spot_warning=SpotWarning.REACHES_HOST,
        ),
        _S.DONE: InstanceTraits(
            rank=8,
            edges=_TERMINATION,
            deadline=timedelta(minutes=2),
            allowance=Allowance.NONE,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.AWAIT_POWER_OFF,
            host_end=HostEnd.NOTHING,
            ending=Ending.EXPECTED,
            stop=Stop.EXPECTED,
            spot_warning=SpotWarning.NOTHING,
        ),
        _S.CONDEMNED: InstanceTraits(
            rank=9,
            edges=_TERMINATION,
            deadline=timedelta(minutes=2),
            allowance=Allowance.NONE,
            supply=Supply.NONE,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=True,
            reaping=Reaping.TERMINATE,
            host_end=HostEnd.NOTHING,
            ending=Ending.EXPECTED,
            stop=Stop.EXPECTED,
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
            host_end=HostEnd.NOTHING,
            ending=Ending.EXPECTED,
            stop=Stop.EXPECTED,
            spot_warning=SpotWarning.NOTHING,
        ),
    },
)
