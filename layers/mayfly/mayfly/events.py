"""Events that wake a function. Events only nudge: functions look up the facts before acting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from mayfly.errors import Misconfigured
from mayfly_protocol.moments import read_moment
from mayfly_protocol.secret_shapes import without_secrets


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


@dataclass(frozen=True, slots=True)
class ParameterCall:
    """CloudTrail's event of a call that wrote or deleted parameters, minutes after the call."""

    names: tuple[str, ...]
    who: str
    """ARN of the caller; of a caller without ARN, what CloudTrail says of it."""
    at: datetime
    number: int = 0
    """The version that SSM gave the value; 0 for a deletion."""


SPOT_NOTICE = timedelta(minutes=2)
_LONGEST = 300
_UNREADABLE = (
    *(AttributeError, KeyError, OverflowError, TypeError, ValueError),
    RecursionError,  # Of json, for a body of nested lists.
)

InstanceEvent: TypeAlias = StateChanged | SpotWarning


@dataclass(frozen=True, slots=True)
class Messages:
    """The content of a batch of messages of the queue `ReapQueue`."""

    events: tuple[InstanceEvent, ...]
    """Events of EC2, in the order of the batch; SQS may repeat and reorder them."""
    nudges: int
    """Messages that ask for a tick over all instances."""
    unreadable: tuple[str, ...]
    """Id and error of each message that cannot be read."""


Event: TypeAlias = (
    Scheduled | Nudged | StateChanged | SpotWarning | ParameterChanged | ParameterCall
)


def parse(event: Mapping[str, Any]) -> Event:
    """The event of an invocation (shapes: EventBridge, SQS and Lambda user guides).

    Raises Misconfigured for a kind of event that no function of the stack handles, and for an
    event in an unknown form.
    """
    try:
        return _parsed(event)
    except _UNREADABLE as error:
        kind = event.get("detail-type")
        raise Misconfigured(f"an event of kind {kind!r} cannot be read: {error!r}") from error


def read_messages(event: Mapping[str, Any]) -> Messages:
    """The messages of an SQS batch: an unreadable message never hides the others.

    A body with a `detail-type` is an event from EventBridge, any other object is a nudge.
    """
    events, nudges, unreadable = list[InstanceEvent](), 0, list[str]()
    for record in event["Records"]:
        try:
            found = _message(record)
        except (*_UNREADABLE, Misconfigured) as error:
            name = record.get("messageId") if isinstance(record, Mapping) else None
            line = f"message {name}: {type(error).__name__}: {error}"
            # Before the cut: half a token is a secret, too.
            unreadable.append(without_secrets(line, "[redacted]")[:_LONGEST])
        else:
            events.extend([found] if found is not None else [])
            nudges += found is None
    return Messages(tuple(events), nudges, tuple(unreadable))


def _message(record: Mapping[str, Any]) -> InstanceEvent | None:
    """The event of an instance in a message; None for a nudge."""
    body = json.loads(record["body"])
    if not isinstance(body, dict):
        raise TypeError(f"{type(body).__name__} in place of an object")
    if "detail-type" not in body:
        return None
    match parse(body):
        case StateChanged() | SpotWarning() as found:
            return found
        case other:
            raise Misconfigured(f"{type(other).__name__} is no event of an instance")


def _parsed(event: Mapping[str, Any]) -> Event:
    if "Records" in event:
        return Nudged(len(event["Records"]))
    kind, detail = event.get("detail-type"), event.get("detail") or {}
    match kind:
        case "Scheduled Event":
            return Scheduled()
        case "EC2 Instance State-change Notification":
            return StateChanged(_text(detail["instance-id"]), _text(detail["state"]))
        case "EC2 Spot Instance Interruption Warning":
            warned = read_moment(event["time"])
            return SpotWarning(_text(detail["instance-id"]), warned + SPOT_NOTICE)
        case "Parameter Store Change":
            return ParameterChanged(str(detail["name"]))
        case "AWS API Call via CloudTrail":
            return _parameter_call(detail)
        case _:
            raise Misconfigured(f"no function handles events of kind {kind!r}")


def _parameter_call(detail: Mapping[str, Any]) -> ParameterCall:
    """The call in CloudTrail's record of it. A call that failed changed no parameter."""
    caller = detail["userIdentity"]
    who = caller.get("arn") or caller.get("invokedBy") or caller.get("principalId") or ""
    asked, answer = detail.get("requestParameters") or {}, detail.get("responseElements") or {}
    names = [asked["name"]] if "name" in asked else asked.get("names") or []
    failed = bool(detail.get("errorCode"))
    puts = detail["eventName"] == "PutParameter"
    return ParameterCall(
        () if failed else tuple(map(_text, names)),
        without_secrets(_text(who), "[redacted]")[:_LONGEST],
        read_moment(detail["eventTime"]),
        int(answer["version"]) if puts and not failed else 0,
    )


def _text(value: object) -> str:
    """The value, which must be text that is not empty. Raises TypeError without the value."""
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} in place of a text")
    return value
