"""Every metric that Mayfly sends to CloudWatch: name, meaning, unit and dimensions.

Tests check the alarms in the templates and the table in docs/operating.md against this enum.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

NAMESPACE: Final = "Mayfly"


class Dimension(StrEnum):
    """The dimensions of metrics; CloudWatch finds a metric only by all of its dimensions."""

    SERVICE = "service"
    """The function that sent the metric."""
    STACK = "stack"
    """The control plane's stack."""
    QUEUE = "queue"
    """The Buildkite queue. Each queue with data makes a further metric, which costs money."""
    PATH = "path"
    """How a job came to its instance: `Path`."""
    CAUSE = "cause"
    """Why a launch failed, or wanted work does not happen."""


OF_FUNCTION: Final = (Dimension.SERVICE, Dimension.STACK)
OF_QUEUE: Final = (Dimension.STACK, Dimension.QUEUE)
"""Without the function, so that an alarm of a queue watches one metric."""
OF_PATH: Final = (*OF_QUEUE, Dimension.PATH)
OF_CAUSE: Final = (*OF_QUEUE, Dimension.CAUSE)


class Path(StrEnum):
    """Values of the dimension `path`: what the job's instance was when the job became runnable."""

    HOT = "hot"
    """Ready already."""
    STOPPED = "stopped"
    """Started for the job out of the stopped pool."""
    COLD = "cold"
    """Launched, or still booting."""


class Failed(StrEnum):
    """Values of the dimension `cause` of launches."""

    NO_CAPACITY = "no-capacity"
    """EC2 launched none or fewer, and no code of its answer calls for a person."""
    REFUSED = "refused"
    """EC2 refused the request with a code that only a person can act on."""
    UNANSWERED = "unanswered"
    """The answer was lost, and EC2 shows no instance of the launch."""
    TAKEN_BACK = "taken-back"
    """EC2 launched the instance and ended it before it was ready, for lack of capacity."""


class Joined(StrEnum):
    """How the values of a queue's metric become what one invocation sends."""

    SUM = "sum"
    """All values of all ticks are added."""
    HIGHEST = "highest"
    """The values of a tick are added; the tick with the highest sum counts."""
    LATEST = "latest"
    """The values of a tick are added; the last tick with values counts."""
    EACH = "each"
    """Each value is sent, so that CloudWatch has percentiles."""


class Sent(StrEnum):
    """When a queue's metric is sent: CloudWatch charges by the hours in which it has data."""

    ALWAYS = "each minute"
    ON_EVENT = "when there is something to count"


class Service(StrEnum):
    """Values of the dimension `service`."""

    DISPATCH = "dispatch"
    PROVISION = "provision"
    SANDBOX = "sandbox"
    REAP = "reap"


class Unit(StrEnum):
    """Units under CloudWatch's names."""

    COUNT = "Count"
    SECONDS = "Seconds"


_ALL = tuple(Service)


@dataclass(frozen=True, slots=True)
class Kind:
    """The dimensions of a metric; for a queue's metric also how it is joined, and when sent."""

    dimensions: tuple[Dimension, ...]
    joined: Joined = Joined.SUM
    sent: Sent = Sent.ON_EVENT


_FUNCTION = Kind(OF_FUNCTION)
_COUNT = Kind(OF_QUEUE)
_GAUGE = Kind(OF_QUEUE, Joined.LATEST, Sent.ALWAYS)


class Metric(StrEnum):
    """A metric: name, one sentence, unit, the functions that may send it, and its kind."""

    meaning: str
    unit: Unit
    services: tuple[Service, ...]
    kind: Kind

    def __new__(
        cls,
        name: str,
        meaning: str,
        unit: Unit,
        services: tuple[Service, ...],
        kind: Kind = _FUNCTION,
    ) -> Self:
        """Make a member; one without sentence, unit or functions raises TypeError at import."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning, member.unit, member.services = meaning, unit, services
        member.kind = kind
        return member

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The names of the metric's dimensions."""
        return self.kind.dimensions

    @property
    def of_queue(self) -> bool:
        """Whether the metric has a series for each queue."""
        return Dimension.QUEUE in self.dimensions

    @property
    def part(self) -> Dimension | None:
        """The dimension beside stack and queue; None without one, and for metrics of functions."""
        return self.dimensions[2] if len(self.dimensions) > len(OF_QUEUE) else None

    BAD_CONFIGURATION = (
        "BadConfiguration",
        "Problems that only a person can fix; the log names each. 0 is sent when there are none.",
        Unit.COUNT,
        _ALL,
    )
    TOKEN_REFUSED = (
        "TokenRefused",
        "Invocations in which there was no agent token that Buildkite accepts: no job is taken.",
        Unit.COUNT,
        (Service.DISPATCH,),
    )
    NO_CAPACITY = (
        "NoCapacity",
        "Launches that EC2 refused, or took back before they were ready, for lack of capacity.",
        Unit.COUNT,
        (Service.PROVISION,),
    )
    BRAKED = (
        "Braked",
        "Shapes of which boots fail, or hot instances end, in a row; sent each minute.",
        Unit.COUNT,
        (Service.PROVISION,),
    )
    STRAYS = (
        "Strays",
        "Ticks that found too many instances without a record, and terminated none of them.",
        Unit.COUNT,
        (Service.REAP,),
    )
    LEFT_CONFLICT = (
        "LeftConflict",
        "Actions left to the next tick because another function or tick was first.",
        Unit.COUNT,
        _ALL,
    )
    LEFT_TRANSIENT = (
        "LeftTransient",
        "Reads and actions left to the next tick because AWS or Buildkite failed or asked to wait.",
        Unit.COUNT,
        _ALL,
    )
    LEFT_NOT_FOUND = (
        "LeftNotFound",
        "Reads and actions left to the next tick because the resource is gone.",
        Unit.COUNT,
        _ALL,
    )
    LEFT_NO_MATCH = (
        "LeftNoMatch",
        "Jobs that do not match the queue that lists them, each counted once per invocation.",
        Unit.COUNT,
        (Service.DISPATCH,),
    )
    UNREADABLE_POLICY = (
        "UnreadablePolicy",
        "Policies, and repositories that they ask for, that cannot be read: jobs wait for them.",
        Unit.COUNT,
        (Service.DISPATCH, Service.PROVISION),
    )
    UNREADABLE_ELEMENT = (
        "UnreadableElement",
        "Elements of answers (jobs, rows) that cannot be read and are left out, as the log says.",
        Unit.COUNT,
        _ALL,
    )
    UNREADABLE_REPORT = (
        "UnreadableReport",
        "Instance reports that break the protocol and are ignored, counted at every read.",
        Unit.COUNT,
        (Service.SANDBOX, Service.REAP),
    )
    QUEUE_PROBLEMS = (
        "QueueProblems",
        "Problems of one queue that only a person can fix, brakes included; the log names each.",
        Unit.COUNT,
        _ALL,
        Kind(OF_QUEUE, Joined.HIGHEST),
    )
    JOBS_WAITING = (
        "JobsWaiting",
        "Jobs of the queue that wait for an instance, those without a reservation included.",
        Unit.COUNT,
        (Service.DISPATCH,),
        _GAUGE,
    )
    OLDEST_WAIT = (
        "OldestWait",
        "How long the job that waits longest has been runnable; 0 without one, and in a pause.",
        Unit.SECONDS,
        (Service.DISPATCH,),
        Kind(OF_QUEUE, Joined.HIGHEST, Sent.ALWAYS),
    )
    WAIT_SECONDS = (
        "WaitSeconds",
        "From runnable until an agent has the job, one value a job, by the state of its instance.",
        Unit.SECONDS,
        (Service.DISPATCH,),
        Kind(OF_PATH, Joined.EACH),
    )
    DENIED = (
        "Denied",
        "Jobs that the queue's policy denied.",
        Unit.COUNT,
        (Service.DISPATCH,),
        _COUNT,
    )
    HELD = (
        "Held",
        "Reasons for which wanted work does not happen, by cause; the log has a line a minute.",
        Unit.COUNT,
        (Service.DISPATCH, Service.PROVISION),
        Kind(OF_CAUSE, Joined.HIGHEST),
    )
    HOT = (
        "Hot",
        "Instances that are ready and have no job.",
        Unit.COUNT,
        (Service.PROVISION,),
        _GAUGE,
    )
    HOT_TARGET = (
        "HotTarget",
        "Hot instances that `pool/hot` asks for.",
        Unit.COUNT,
        (Service.PROVISION,),
        _GAUGE,
    )
    COMING = (
        "Coming",
        "Instances that are launched or boot.",
        Unit.COUNT,
        (Service.PROVISION,),
        _GAUGE,
    )
    STOPPED = (
        "Stopped",
        "Instances that are stopped, or are being stopped; sent while there are any or a target.",
        Unit.COUNT,
        (Service.PROVISION,),
        Kind(OF_QUEUE, Joined.LATEST),
    )
    STOPPED_TARGET = (
        "StoppedTarget",
        "Stopped instances that `pool/stopped` asks for; sent as `Stopped` is.",
        Unit.COUNT,
        (Service.PROVISION,),
        Kind(OF_QUEUE, Joined.LATEST),
    )
    RUNNING = (
        "Running",
        "Instances that have a job or are about to end: all but the hot, coming and stopped ones.",
        Unit.COUNT,
        (Service.PROVISION,),
        _GAUGE,
    )
    LIMIT = (
        "Limit",
        "Instances that the queue may have: `limits/max-instances`.",
        Unit.COUNT,
        (Service.PROVISION,),
        _GAUGE,
    )
    LAUNCHES_FAILED = (
        "LaunchesFailed",
        "Instances that were asked for and did not come, or that EC2 took back, by cause.",
        Unit.COUNT,
        (Service.PROVISION, Service.REAP),
        Kind(OF_CAUSE),
    )
    HOSTS_FAILED = (
        "HostsFailed",
        "Instances whose host failed: a boot without end, a reported failure, an unexpected end.",
        Unit.COUNT,
        (Service.REAP,),
        _COUNT,
    )
    SPOT_LOST = (
        "SpotLost",
        "Spot instances that EC2 took back.",
        Unit.COUNT,
        (Service.REAP,),
        _COUNT,
    )
