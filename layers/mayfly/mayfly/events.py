"""Events that wake a function. Events only nudge: functions look up the facts before acting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from mayfly.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The schedule's event, once a minute."""


@dataclass(frozen=True, slots=True)
class Nudged:
    """Messages of the nudge queue or records of a stream. The content of both is ignored."""

    records: int


@dataclass(frozen=True, slots=True)
class StateChanged:
    """An instance of the account has changed its state; the instance may not be Mayfly's."""

    instance_id: str
    state: str


@dataclass(frozen=True, slots=True)
class SpotWarning:
    """EC2 will interrupt a spot instance of the account; the instance may not be Mayfly's."""

    instance_id: str
    until: datetime
    """Two minutes after the warning (EC2 user guide: spot instance interruption notices)."""


@dataclass(frozen=True, slots=True)
class ParameterChanged:
    """A parameter in SSM was written or deleted."""

    name: str


SPOT_NOTICE = timedelta(minutes=2)

Event: TypeAlias = Scheduled | Nudged | StateChanged | SpotWarning | ParameterChanged


def parse(event: Mapping[str, Any]) -> Event:
    """The event of an invocation (shapes: EventBridge, SQS and Lambda user guides).

    Raises Misconfigured for a kind of event that no function of the stack handles, and for an
    event in an unknown form.
    """
    try:
        return _parsed(event)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        kind = event.get("detail-type")
        raise Misconfigured(f"an event of kind {kind!r} cannot be read: {error!r}") from error


def _parsed(event: Mapping[str, Any]) -> Event:
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
            raise Misconfigured(f"no function handles events of kind {kind!r}")
