"""What may differ between the states of an instance: the values of the fields of their table."""

from __future__ import annotations

from enum import Enum, auto


class Supply(Enum):
    """Whether an instance counts as supply for waiting jobs."""

    NONE = auto()
    COMING = auto()
    """The instance will be ready if nothing goes wrong."""
    READY = auto()
    """The instance is idle and can take a job at once."""
    STOPPED = auto()
    """The instance is stopped, or is being stopped: a start makes it supply."""


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
    TO_BE_PROVEN_AGAIN = auto()
    """A commanded start is under way, and the proof of its boot is outstanding.

    The instance must never hold the bootstrap profile: nothing replaces its profile."""


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
    """What EC2's states `stopping` and `stopped` mean."""

    EXPECTED = auto()
    """No effect."""
    COMPLETES = auto()
    """`stopped` is the end of the stop that Mayfly commanded."""
    CONDEMNS_AT_END = auto()
    """`stopped` condemns the instance. While it is `stopping`, its job may still end by itself."""
    CONDEMNS = auto()
    """Somebody else stopped the instance."""


class Running(Enum):
    """What EC2's states `pending` and `running` mean."""

    EXPECTED = auto()
    """No effect."""
    CONDEMNS = auto()
    """Somebody else started the instance: nobody may use a boot that Mayfly did not command."""


class SpotWarning(Enum):
    """What EC2's spot interruption warning means."""

    NOTHING = auto()
    CONDEMNS = auto()
    """The instance takes no more jobs."""
    REACHES_HOST = auto()
    """`reap` warns the host, which stops its job only as early as necessary."""
