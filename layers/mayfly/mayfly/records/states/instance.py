"""The states of an instance and the traits of each state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mayfly.records.states.table import exhaustive
from mayfly.records.states.traits import (
    Allowance,
    Ending,
    HostEnd,
    Reaping,
    Running,
    SetUp,
    SpotWarning,
    Stop,
    Supply,
)


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
    STOPPING = "stopping"
    STOPPED = "stopped"
    STARTING = "starting"

    @property
    def traits(self) -> InstanceTraits:
        """The row of this state."""
        return INSTANCE_STATES[self]


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
    running: Running
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.READY: InstanceTraits(
            rank=5,
            edges={
                _S.ASSIGNED: "a job was bound to the instance",
                _S.STOPPING: "neither a job nor pool/hot needs the instance, and pool/stopped does",
                **_EARLY_END,
            },
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
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
            running=Running.EXPECTED,
            spot_warning=SpotWarning.NOTHING,
        ),
        _S.STARTING: InstanceTraits(
            rank=11,  # Next to the ranks that are not read each second.
            edges={
                _S.READY: "the host proved its sandbox for the boot that Mayfly commanded",
                _S.STOPPED: "EC2 did not start the instance: no capacity, or no call got through",
                **_EARLY_END,
            },
            deadline=timedelta(minutes=5),
            allowance=Allowance.BOOT,
            supply=Supply.COMING,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.TO_BE_PROVEN_AGAIN,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop=Stop.EXPECTED,  # EC2 shows `stopped` until it has taken the start.
            running=Running.EXPECTED,
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.STOPPING: InstanceTraits(
            rank=12,
            edges={_S.STOPPED: "EC2 shows that the instance is stopped", **_EARLY_END},
            # EC2 forces a stop that hangs, "after a few minutes" by its user guide.
            deadline=timedelta(minutes=15),
            allowance=Allowance.NONE,
            supply=Supply.STOPPED,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.NOTHING,  # A host that is told to go down may report that.
            ending=Ending.CONDEMNS,
            stop=Stop.COMPLETES,
            running=Running.EXPECTED,  # EC2 shows `running` until it has taken the stop.
            spot_warning=SpotWarning.CONDEMNS,
        ),
        _S.STOPPED: InstanceTraits(
            rank=13,
            edges={_S.STARTING: "a job or pool/hot needs the instance", **_EARLY_END},
            deadline=None,  # `pool/max-stopped-hours` limits the instance's age.
            allowance=Allowance.NONE,
            supply=Supply.STOPPED,
            awaits_launch=False,
            notes_instance_id=False,
            set_up=SetUp.NONE,
            awaits_acceptance=False,
            explains_attempt=False,
            reaping=Reaping.JUDGE,
            host_end=HostEnd.NOTHING,
            ending=Ending.CONDEMNS,
            stop=Stop.EXPECTED,
            running=Running.CONDEMNS,
            spot_warning=SpotWarning.CONDEMNS,
        ),
    },
)
