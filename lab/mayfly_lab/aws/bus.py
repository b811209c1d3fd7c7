"""EventBridge's default bus: delivers an event to the targets of the matching rules."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moto.events.models import Rule

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.patches import Patch
from mayfly_lab.aws.patterns import matches
from mayfly_lab.aws.world import World

Event = Mapping[str, Any]
Deliver = Callable[[Mapping[str, Any], Event, str], None]
"""Hands an event to one target (`Arn`, `Input`, …) of the rule with this ARN."""


@dataclass(slots=True)
class EventBus:
    """Delivers events after the stated delay. Faults lose, delay and double events.

    The rules are moto's, so rules from the template and from API calls both count.
    """

    world: World
    deliver: Deliver = lambda target, event, rule: None  # noqa: ARG005 - no function exists yet

    def emit(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Publish an event of an AWS service."""
        self.publish(aws_event(self.world.config.region, source, detail_type, detail))

    def publish(self, event: Event) -> None:
        """Send an event to every enabled rule that matches the event."""
        for rule in list(self.world.cloud.backend("events").event_buses["default"].rules.values()):
            if _matches(rule, dict(event)):
                self._send(rule, event)

    def _send(self, rule: Any, event: Event) -> None:
        subject = f"{event['source']}/{event['detail-type']}"
        if self.world.faults.take("event-lost", subject):
            self.world.journal.happened("events", "EventLost", rule=rule.name, subject=subject)
            return
        late = self.world.faults.take("event-late", subject)
        delay = self.world.delays.events + (late.seconds if late else 0.0)
        copies = 2 if self.world.faults.take("event-doubled", subject) else 1
        for target in rule.targets:
            for _ in range(copies):
                self.world.timers.after(delay, partial(self.deliver, target, event, rule.arn))

    def patches(self) -> list[Patch]:
        """A patch of moto's PutEvents: deliver here, and only to enabled rules.

        moto cannot invoke the lab's functions, and ignores the state of rules.
        """

        def send_to_targets(
            rule: Any,
            original_event: dict[str, Any],
            transform_input: bool = True,  # noqa: ARG001 - as moto calls it
        ) -> None:
            if _matches(rule, original_event):
                moment = datetime.fromtimestamp(float(original_event["time"]), UTC)
                self._send(rule, {**original_event, "time": _stamp(moment)})

        return [
            Patch(Rule, "send_to_targets", send_to_targets, "self, original_event, transform_input")
        ]


def _matches(rule: Any, event: dict[str, Any]) -> bool:
    """Whether an enabled rule matches. A rule without a pattern is a schedule and matches none."""
    pattern = rule.event_pattern
    enabled = rule.state == "ENABLED" and pattern.get_pattern()
    return bool(enabled and matches(pattern, event))


def aws_event(
    region: str, source: str, detail_type: str, detail: Mapping[str, Any], resource: str = ""
) -> dict[str, Any]:
    """An event in the form of AWS services. The resource is the instance's ARN, else `resource`."""
    instance = detail.get("instance-id")
    arn = f"arn:aws:ec2:{region}:{ACCOUNT}:instance/{instance}" if instance else resource
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": _stamp(datetime.now(UTC)),
        "region": region,
        "resources": [arn] if arn else [],
        "detail": dict(detail),
    }


def payload(target: Mapping[str, Any], event: Event) -> Any:
    """The input of a target for an event: its constant `Input`, else the event.

    Raises:
        NotImplementedError: the target has an InputPath or InputTransformer.
    """
    for unknown in ("InputPath", "InputTransformer"):
        if unknown in target:
            raise NotImplementedError(f"the lab's rules do not support {unknown}")
    return json.loads(target["Input"]) if "Input" in target else dict(event)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
