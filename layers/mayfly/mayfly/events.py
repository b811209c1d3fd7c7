"""What woke a function. Events only nudge: what they say is looked up before it is acted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from mayfly.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The minute has come round."""


@dataclass(frozen=True, slots=True)
class Nudged:
    """Records of a queue or a stream: something has changed, whatever it was."""

    records: int


@dataclass(frozen=True, slots=True)
class StateChanged:
    """EC2 says that an instance of the account has changed its state; it need not be ours."""

    instance_id: str
    state: str


@dataclass(frozen=True, slots=True)
class SpotWarning:
    """EC2 says that it will take an instance of the account back."""

    instance_id: str
    until: datetime
    """Two minutes after the warning (EC2 user guide: spot instance interruption notices)."""


@dataclass(frozen=True, slots=True)
class ParameterChanged:
    """SSM says that a parameter was written or deleted."""

    name: str


SPOT_NOTICE = timedelta(minutes=2)

Event: TypeAlias = Scheduled | Nudged | StateChanged | SpotWarning | ParameterChanged


def parse(event: Mapping[str, Any]) -> Event:
    """What an invocation's event means (shapes: EventBridge, SQS and Lambda user guides).

    Raises Misconfigured for a kind of event that no function of the stack is wired to.
    """
    if "Records" in event:
        return Nudged(len(event["Records"]))
    kind, detail = event.get("detail-type"), event.get("detail") or {}
    match kind:
        case "Scheduled Event":
            return Scheduled()
        case "EC2 Instance State-change Notification":
            return StateChanged(str(detail["instance-id"]), str(detail["state"]))
        case "EC2 Spot Instance Interruption Warning":
            warned = datetime.fromisoformat(str(event["time"]))
            return SpotWarning(str(detail["instance-id"]), warned + SPOT_NOTICE)
        case "Parameter Store Change":
            return ParameterChanged(str(detail["name"]))
        case _:
            raise Misconfigured(f"an event of a kind that nothing here is wired to: {kind!r}")
