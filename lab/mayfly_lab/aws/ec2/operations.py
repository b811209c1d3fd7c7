"""Operations of the EC2 API that the lab answers in place of moto."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from moto.core.utils import get_service_model

from buildkite_emulator.serving.server import Answer
from mayfly_lab.aws.ec2.describing import (
    describe_associations,
    describe_instances,
    shown_association,
)
from mayfly_lab.aws.ec2.ec2 import Before, Ec2
from mayfly_lab.aws.ec2.fleet import InstantFleet
from mayfly_lab.aws.ec2.instance import Instance
from mayfly_lab.aws.ec2.launching import Launcher
from mayfly_lab.aws.ec2.states import State
from mayfly_lab.aws.ec2.templates import Data
from mayfly_lab.aws.ec2.tokens import ClientTokens
from mayfly_lab.aws.front.call import Call, Refusal
from mayfly_lab.aws.prices import spot_prices

# moto would create or end instances without this layer's knowledge.
_REFUSED = ("RequestSpotInstances", "RequestSpotFleet", "ModifyFleet", "DeleteFleets")


@dataclass(slots=True)
class Operations:
    """One method per operation. The front door holds the lock of the EC2 layer during a call."""

    ec2: Ec2
    launcher: Launcher
    tokens: ClientTokens = field(default_factory=ClientTokens)

    def table(self) -> dict[str, Callable[[Call], Answer]]:
        """Handlers of all operations, by `ec2:Operation`."""
        launching: dict[str, Callable[[Call], Mapping[str, Any]]] = {
            "CreateFleet": self.create_fleet,
            "RunInstances": self.run_instances,
        }
        own: dict[str, Callable[[Data], Mapping[str, Any]]] = {
            "AssociateIamInstanceProfile": self.associate,
            "DescribeIamInstanceProfileAssociations": self.describe_associations,
            "DescribeInstances": self.describe_instances,
            "DescribeSpotPriceHistory": self.describe_spot_prices,
            "DisassociateIamInstanceProfile": self.disassociate,
            "GetConsoleOutput": self.console_output,
            "RebootInstances": self.reboot,
            "ReplaceIamInstanceProfileAssociation": self.replace_association,
            "StartInstances": self.start,
            "StopInstances": self.stop,
            "TerminateInstances": self.terminate,
        } | dict.fromkeys(_REFUSED, _refuse)

        every = launching | {name: partial(_of_parameters, each) for name, each in own.items()}
        return {f"ec2:{name}": partial(_answer, operation) for name, operation in every.items()}

    def run_instances(self, call: Call) -> Mapping[str, Any]:
        """RunInstances, idempotent by ClientToken; all of MaxCount or none."""
        request = call.parameters
        specification = self.launcher.specify(request.get("LaunchTemplate"), request, spot=False)
        named = request.get("SubnetId") or (request.get("Placement") or {}).get("AvailabilityZone")
        place = specification.subnet.availability_zone if named else ""
        known: list[Instance] | None = self.tokens.answered("RunInstances", place, request)
        if known is None:
            _refuse_dry_run(request)
            self.launcher.require_room(specification)
            known = self.launcher.launch(
                specification,
                int(request["MaxCount"]),
                client_token=str(request.get("ClientToken") or ""),
            )
            self.tokens.remember("RunInstances", place, request, known)
        elif any(each.state is State.TERMINATED for each in known):
            raise Refusal(
                "IdempotentInstanceTerminated",
                "The client token was used for an instance that has been terminated.",
            )
        return {
            "ReservationId": known[0].reservation,
            "OwnerId": known[0].moto.owner_id,
            "Instances": [each.moto for each in known],
        }

    def create_fleet(self, call: Call) -> Mapping[str, Any]:
        """CreateFleet of type instant, idempotent by ClientToken."""
        request = call.parameters
        known: Mapping[str, Any] | None = self.tokens.answered("CreateFleet", "", request)
        if known is None:
            fleet = InstantFleet(self.launcher, call)
            _refuse_dry_run(request)
            known = fleet.launch()
            self.tokens.remember("CreateFleet", "", request, known)
        return known

    def describe_spot_prices(self, request: Data) -> Mapping[str, Any]:
        """DescribeSpotPriceHistory, for the zones of all subnets."""
        return spot_prices(request, self.launcher.zones())

    def describe_instances(self, request: Data) -> Mapping[str, Any]:
        """DescribeInstances; new instances show after the stated delay."""
        return describe_instances(self.ec2, request)

    def describe_associations(self, request: Data) -> Mapping[str, Any]:
        """DescribeIamInstanceProfileAssociations."""
        return describe_associations(self.ec2, request)

    def terminate(self, request: Data) -> Mapping[str, Any]:
        """TerminateInstances."""
        _refuse_dry_run(request)
        return {"TerminatingInstances": _changes(self.ec2.terminate(request["InstanceIds"]))}

    def stop(self, request: Data) -> Mapping[str, Any]:
        """StopInstances."""
        _refuse_dry_run(request)
        return {"StoppingInstances": _changes(self.ec2.stop(request["InstanceIds"]))}

    def start(self, request: Data) -> Mapping[str, Any]:
        """StartInstances."""
        _refuse_dry_run(request)
        return {"StartingInstances": _changes(self.ec2.start(request["InstanceIds"]))}

    def reboot(self, request: Data) -> Mapping[str, Any]:
        """RebootInstances."""
        _refuse_dry_run(request)
        self.ec2.reboot(request["InstanceIds"])
        return {}

    def console_output(self, request: Data) -> Mapping[str, Any]:
        """GetConsoleOutput: the console so far, at most its last 64 KB."""
        instance = self.ec2.get(str(request["InstanceId"]))
        text = self.ec2.life.room.console(instance.instance_id) if instance.boots else ""
        output = base64.b64encode(text.encode()[-65536:]).decode()
        return {
            "InstanceId": instance.instance_id,
            "Timestamp": datetime.now(UTC),
            **({"Output": output} if output else {}),
        }

    def associate(self, request: Data) -> Mapping[str, Any]:
        """AssociateIamInstanceProfile, on a running or stopped instance."""
        instance = self.ec2.get(str(request["InstanceId"]))
        if instance.state not in {State.RUNNING, State.STOPPED}:
            raise Refusal(
                "IncorrectState", f"{instance.instance_id} is neither running nor stopped"
            )
        profile = self.launcher.profile(request["IamInstanceProfile"])
        association = self.ec2.profiles.attach(instance.instance_id, profile)
        self._show_profile(instance)
        return {"IamInstanceProfileAssociation": shown_association(association, "associating")}

    def replace_association(self, request: Data) -> Mapping[str, Any]:
        """ReplaceIamInstanceProfileAssociation: running instances only; with a new id."""
        association_id = str(request["AssociationId"])
        instance = self.ec2.get(self.ec2.profiles.lookup(association_id).instance_id)
        if instance.state is not State.RUNNING:
            raise Refusal(
                "IncorrectState", f"The association {association_id} is not the active association"
            )
        profile = self.launcher.profile(request["IamInstanceProfile"])
        association = self.ec2.profiles.replace(association_id, profile, instance.instance_type)
        self._show_profile(instance)
        return {"IamInstanceProfileAssociation": shown_association(association, "associating")}

    def disassociate(self, request: Data) -> Mapping[str, Any]:
        """DisassociateIamInstanceProfile."""
        association = self.ec2.profiles.detach(str(request["AssociationId"]))
        self._show_profile(self.ec2.get(association.instance_id))
        return {"IamInstanceProfileAssociation": shown_association(association, "disassociating")}

    def _show_profile(self, instance: Instance) -> None:
        """Copy the current association into moto's object, for DescribeInstances."""
        current = self.ec2.profiles.current(instance.instance_id)
        instance.moto.iam_instance_profile = current and {
            "Arn": current.profile.arn,
            "Id": current.profile.profile_id,
        }


def _changes(before: Before) -> list[dict[str, Any]]:
    return [
        {
            "InstanceId": instance.instance_id,
            "CurrentState": {"Code": instance.state.code, "Name": str(instance.state)},
            "PreviousState": {"Code": state.code, "Name": str(state)},
        }
        for instance, state in before
    ]


def _refuse_dry_run(request: Data) -> None:
    if request.get("DryRun"):
        raise Refusal(
            "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412
        )


def _refuse(_: Data) -> Mapping[str, Any]:
    raise Refusal("UnsupportedOperation", "The lab launches by RunInstances and CreateFleet only.")


def _of_parameters(operation: Callable[[Data], Mapping[str, Any]], call: Call) -> Mapping[str, Any]:
    return operation(call.parameters)


def _answer(operation: Callable[[Call], Mapping[str, Any]], call: Call) -> Answer:
    try:
        result = operation(call)
    except ServiceException as error:  # raised by moto's backend
        raise Refusal(error.code, error.message) from error
    model = get_service_model("ec2").operation_model(call.operation)
    serializer = get_serializer_class("ec2", "ec2")(
        operation_model=model, value_picker=XFormedAttributePicker()
    )
    wire = serializer.serialize(result)
    body = wire["body"]
    return Answer(
        int(wire["status_code"]),
        body.encode() if isinstance(body, str) else body,
        {"content-type": "text/xml"},
    )
