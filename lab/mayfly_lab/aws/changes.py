"""SSM's events for changes of parameters, by calls and by CloudFormation, and CloudTrail's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moto.ssm.models import Parameter

from buildkite_emulator.serving.server import Answer
from mayfly_lab.aws.bus import EventBus
from mayfly_lab.aws.deploy.recorder import Resource
from mayfly_lab.aws.front.call import Call, Principal
from mayfly_lab.aws.patches import Patch

Change = tuple[str, str]
"""A parameter's name, and the operation that the event names."""
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""CloudTrail's words in the place of a parameter's value."""


@dataclass(frozen=True, slots=True)
class ParameterChanges:
    """Publishes `Parameter Store Change` for changes by calls and by CloudFormation.

    A call is published once more in CloudTrail's form, which names the caller: after
    `delays.trail`, as in an account with a trail. SSM's history names the caller too.
    """

    bus: EventBus

    def called(self, principal: Principal, call: Call, answer: Answer) -> None:
        """Publish the events of a call that has changed parameters."""
        changed = changed_parameters(call, answer)
        for name, operation in changed:
            self._publish(name, operation)
        if not changed:
            return
        if call.operation == "PutParameter":
            self._sign(changed[0][0], principal.arn)
        world = self.bus.world
        event = trail_event(principal, call, answer, datetime.now(UTC), world.config.region)
        emit = partial(self.bus.emit, "aws.ssm", "AWS API Call via CloudTrail", event)
        world.timers.after(world.delays.trail, emit)

    def made(self, resource: Resource) -> None:
        """Publish an event for a parameter that CloudFormation has created."""
        if resource.kind == "AWS::SSM::Parameter":
            self._publish(resource.physical_id, "Create")

    def _publish(self, name: str, operation: str) -> None:
        detail = {"name": name, "operation": operation, "type": "String"}
        self.bus.emit("aws.ssm", "Parameter Store Change", detail)

    def _sign(self, name: str, who: str) -> None:
        """Let the history of a parameter name the writer of its latest version."""
        backend = self.bus.world.cloud.backend("ssm")
        versions = backend._parameters.get(name) or ()  # noqa: SLF001 - a public read copies
        for latest in versions[-1:]:
            latest.last_modified_user = who


def patches() -> list[Patch]:
    """A patch of moto's history of a parameter, which names nobody."""
    stock = Parameter.describe_response_object

    def describe_response_object(
        self: Any, decrypt: bool = False, include_labels: bool = False
    ) -> dict[str, Any]:
        shown = stock(self, decrypt, include_labels)
        return {**shown, "LastModifiedUser": getattr(self, "last_modified_user", "N/A")}

    return [
        Patch(
            Parameter,
            "describe_response_object",
            describe_response_object,
            "self, decrypt, include_labels",
        )
    ]


def changed_parameters(call: Call, answer: Answer) -> tuple[Change, ...]:
    """Name and operation of each parameter that a call has changed; empty for other calls."""
    match call.action:
        case "ssm:PutParameter":
            operation = "Create" if json.loads(answer.body).get("Version") == 1 else "Update"
            return ((str(call.parameters["Name"]), operation),)
        case "ssm:DeleteParameter":
            return ((str(call.parameters["Name"]), "Delete"),)
        case "ssm:DeleteParameters":
            deleted = json.loads(answer.body).get("DeletedParameters") or ()
            return tuple((str(name), "Delete") for name in deleted)
        case _:
            return ()


def trail_event(
    principal: Principal, call: Call, answer: Answer, at: datetime, region: str
) -> Mapping[str, Any]:
    """CloudTrail's record of a call (shape: CloudTrail user guide, "record contents")."""
    asked = {_member(name): value for name, value in call.parameters.items()}
    if "value" in asked:
        asked["value"] = _HIDDEN
    answered = {_member(k): v for k, v in json.loads(answer.body or b"{}").items()}
    kind = "AssumedRole" if ":assumed-role/" in principal.arn else "IAMUser"
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": kind,
            "principalId": principal.userid,
            "arn": principal.arn,
            "accountId": principal.account,
        },
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "ssm.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": region,
        "requestParameters": asked,
        "responseElements": answered or None,
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "eventCategory": "Management",
    }


def _member(name: str) -> str:
    """A parameter's name as CloudTrail writes it: the first letter is small."""
    return name[:1].lower() + name[1:]
