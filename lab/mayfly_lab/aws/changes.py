"""SSM's events for changes of parameters, by calls and by CloudFormation."""

from __future__ import annotations

import json
from dataclasses import dataclass

from buildkite_emulator.serving.server import Answer
from mayfly_lab.aws.bus import EventBus
from mayfly_lab.aws.deploy.recorder import Resource
from mayfly_lab.aws.front.call import Call, Principal

Change = tuple[str, str]
"""A parameter's name, and the operation that the event names."""


@dataclass(frozen=True, slots=True)
class ParameterChanges:
    """Publishes `Parameter Store Change` for changes by calls and by CloudFormation."""

    bus: EventBus

    def called(self, _: Principal, call: Call, answer: Answer) -> None:
        """Publish an event for each parameter that a call has changed."""
        for name, operation in changed_parameters(call, answer):
            self._publish(name, operation)

    def made(self, resource: Resource) -> None:
        """Publish an event for a parameter that CloudFormation has created."""
        if resource.kind == "AWS::SSM::Parameter":
            self._publish(resource.physical_id, "Create")

    def _publish(self, name: str, operation: str) -> None:
        detail = {"name": name, "operation": operation, "type": "String"}
        self.bus.emit("aws.ssm", "Parameter Store Change", detail)


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
