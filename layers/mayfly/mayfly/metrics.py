"""Every metric that Mayfly sends to CloudWatch: name, meaning, unit and dimensions.

Tests check the alarms in the templates and the table in docs/operating.md against this enum.
"""

from __future__ import annotations

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


OF_FUNCTION: Final = (Dimension.SERVICE, Dimension.STACK)
OF_QUEUE: Final = (Dimension.STACK, Dimension.QUEUE)
"""Without the function, so that an alarm of a queue watches one metric."""


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


class Metric(StrEnum):
    """A metric: name, one sentence, unit, the functions that may send it, and its dimensions."""

    meaning: str
    unit: Unit
    services: tuple[Service, ...]
    dimensions: tuple[Dimension, ...]

    def __new__(
        cls,
        name: str,
        meaning: str,
        unit: Unit,
        services: tuple[Service, ...],
        dimensions: tuple[Dimension, ...] = OF_FUNCTION,
    ) -> Self:
        """Make a member; one without sentence, unit or functions raises TypeError at import."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning, member.unit, member.services = meaning, unit, services
        member.dimensions = dimensions
        return member

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
        "Queues with a policy that cannot be read: jobs that the last policy does not allow wait.",
        Unit.COUNT,
        (Service.PROVISION,),
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
        OF_QUEUE,
    )
    LONGEST_WAIT = (
        "LongestWait",
        "How long a queue's job has waited for an instance; sent from five minutes on.",
        Unit.SECONDS,
        (Service.PROVISION,),
        OF_QUEUE,
    )
