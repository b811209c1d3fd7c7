"""The Machines port over EC2."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mayfly.adapters.aws import power
from mayfly.adapters.aws.boto_errors import code_of, duty, translated
from mayfly.adapters.elements import UNREADABLE, Elements, mapping, optional_string, string, text
from mayfly.answers import Association, Bought, Ec2Instance, Launched
from mayfly.batched import batched
from mayfly.errors import (
    FAILURES,
    Failure,
    MayflyError,
    Misconfigured,
    NoCapacity,
    NotFound,
    Transient,
)
from mayfly.records.about import fields
from mayfly.scrubbing import scrub
from mayfly_protocol.moments import EARLIEST, checked

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef


_TERMINATE_AT_ONCE = 100
_FILTER_VALUES = 200
"""EC2's limit for the values of one filter."""
_CONSOLE = 64 * 1024
"""Bytes of console output that EC2 keeps."""
_BLOCKING_ERRORS = {"InvalidInstanceID.NotFound", "OperationNotPermitted"}
"""Errors of one instance for which TerminateInstances terminates no instance of the call."""
_DRY = {
    "InsufficientInstanceCapacity",
    "UnfulfillableCapacity",
    "Unsupported",
    "InsufficientFreeAddressesInSubnet",
    "SpotMaxPriceTooLow",
}
"""Errors of CreateFleet about one pool. Karpenter leaves out the pool for the same ones
(karpenter-provider-aws, pkg/errors: unfulfillable capacity)."""
_ERRORS_IN_MESSAGE = 5
"""Most errors in one message; EC2 may return an error for each of 300 pools."""
_NO_LATEST_OUTPUT = {"UnsupportedOperation", "IncorrectInstanceState"}


class Ec2Machines:
    """Implements `mayfly.ports.Machines` for the instances that carry a stack's tag."""

    def __init__(self, client: EC2Client, stack: str) -> None:
        self._client = client
        self._stack = stack
        self._elements = Elements()

    def create_fleet(self, request: str, token: str) -> Launched:
        """See `mayfly.ports.Machines`."""
        sent: Any = {**json.loads(request), "Type": "instant", "ClientToken": token}
        with translated():
            answer: Any = self._client.create_fleet(**sent)
        # Instances run and cost: an unreadable part of the answer must not hide their ids.
        parts = self._elements.read(
            "part of a fleet", answer.get("Instances") or (), _part, name=""
        )
        bought = {id_: each for part, each in parts for id_ in part if each != Bought()}
        ids = [id_ for part, _ in parts for id_ in part]
        refusals = self._elements.read(
            "error of a fleet", answer.get("Errors") or (), _refusal, name="ErrorCode"
        )
        errors = tuple(dict.fromkeys(each.text for each in refusals))
        dry = frozenset(each.dry for each in refusals if each.dry)
        if not ids:
            raise _error_without_instances(errors, [each.code for each in refusals], dry)
        return Launched(tuple(ids), errors, bought, dry)

    def zones(self, subnets: Collection[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Machines`."""
        found: dict[str, str] = {}
        paginator = self._client.get_paginator("describe_subnets")
        for batch in batched(list(subnets), _FILTER_VALUES):
            # A filter, because EC2 answers an unknown id in `SubnetIds` with an error.
            with translated():
                for page in paginator.paginate(Filters=[{"Name": "subnet-id", "Values": batch}]):
                    shown = page.get("Subnets") or ()
                    found.update(self._elements.read("subnet", shown, _zone, name="SubnetId"))
        return found

    def instances(self) -> Sequence[Ec2Instance]:
        """See `mayfly.ports.Machines`."""
        return self._described()

    def instances_of(self, instance_ids: Collection[str]) -> Sequence[Ec2Instance]:
        """See `mayfly.ports.Machines`."""
        found: list[Ec2Instance] = []
        for batch in batched(list(instance_ids), _FILTER_VALUES):
            # A filter, because EC2 answers an unknown id in `InstanceIds` with an error.
            found.extend(self._described({"Name": "instance-id", "Values": batch}))
        return found

    def _described(self, *filters: FilterTypeDef) -> Sequence[Ec2Instance]:
        pages = self._client.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "tag:mayfly-stack", "Values": [self._stack]}, *filters],
            # EC2 counts calls without filter or paging against a smaller rate limit.
            PaginationConfig={"PageSize": 1000},
        )
        with translated():
            shown = [
                instance
                for page in pages
                for reservation in page.get("Reservations") or ()
                for instance in reservation.get("Instances") or ()
            ]
        return self._elements.read("EC2 instance", shown, self._seen, name="InstanceId")

    def _seen(self, instance: Mapping[str, Any]) -> Ec2Instance:
        """The instance. Only an instance without id is unreadable.

        An instance that is left out would look gone, and its record would be closed while it runs.
        So an unreadable launch time is noted, and counts as 1970.
        """
        name = string(instance["InstanceId"])
        try:
            launched = _launched(instance.get("LaunchTime"))
        except UNREADABLE as error:
            self._elements.note(f"launch time of {name}", error, fields(instances=[name]))
            launched = EARLIEST
        return _seen(instance, launched)

    def associations(self, instance_ids: Collection[str]) -> Mapping[str, tuple[Association, ...]]:
        """See `mayfly.ports.Machines`."""
        found: dict[str, list[Association]] = {instance_id: [] for instance_id in instance_ids}
        paginator = self._client.get_paginator("describe_iam_instance_profile_associations")
        for batch in batched(list(found), _FILTER_VALUES):
            with translated():
                for page in paginator.paginate(Filters=[{"Name": "instance-id", "Values": batch}]):
                    for each in page.get("IamInstanceProfileAssociations") or ():
                        shown = self._association(each)
                        if shown.state != "disassociated" and shown.instance_id in found:
                            found[shown.instance_id].append(shown)
        return {instance_id: tuple(shown) for instance_id, shown in found.items()}

    def _association(self, shown: object) -> Association:
        """The association; in the state `unreadable` where anything but its instance is bad.

        An association that is left out could be the second of its instance: the proof demands
        exactly one. So raises Transient for an association that names no instance.
        """
        named = text(shown, "InstanceId")
        try:
            return _association(mapping(shown))
        except UNREADABLE as error:
            self._elements.note(f"association of {named or '?'}", error, fields(instances=[named]))
            if not named:
                raise Transient("EC2 shows an association that names no instance") from error
            return Association("", named, "", "unreadable")

    def replace_profile(self, association: str, profile: str) -> None:
        """See `mayfly.ports.Machines`."""
        with translated():
            self._client.replace_iam_instance_profile_association(
                AssociationId=association, IamInstanceProfile={"Arn": profile}
            )

    def terminate(self, instance_ids: Collection[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Machines`."""
        problems: list[MayflyError] = []
        states: dict[str, str] = {}
        for batch in batched(list(dict.fromkeys(instance_ids)), _TERMINATE_AT_ONCE):
            try:
                problems.extend(self._terminate(batch, states))
            except FAILURES as error:
                problems.append(error)
        if problems:
            raise problems[0]
        return states

    def _terminate(self, instance_ids: list[str], states: dict[str, str]) -> list[MayflyError]:
        """Terminate all instances that can be. Returns the errors of instances that cannot.

        EC2's states after the call are added to `states`. An instance that is gone is no error.
        """
        try:
            with translated():
                answer = self._client.terminate_instances(InstanceIds=instance_ids)
        except (NotFound, Misconfigured) as error:
            if code_of(error.__cause__) not in _BLOCKING_ERRORS:
                raise
            if len(instance_ids) > 1:
                half = len(instance_ids) // 2
                first, second = instance_ids[:half], instance_ids[half:]
                return self._terminate(first, states) + self._terminate(second, states)
            return [] if isinstance(error, NotFound) else [error]
        shown = answer.get("TerminatingInstances") or ()
        states.update(self._elements.read("termination", shown, _ending, name="InstanceId"))
        return []

    def stop(self, instance_ids: Collection[str]) -> Mapping[str, Failure]:
        """See `mayfly.ports.Machines`."""
        return power.each(instance_ids, lambda ids: self._client.stop_instances(InstanceIds=ids))

    def start(self, instance_ids: Collection[str]) -> Mapping[str, Failure]:
        """See `mayfly.ports.Machines`."""
        return power.each(instance_ids, lambda ids: self._client.start_instances(InstanceIds=ids))

    def console(self, instance_id: str) -> str:
        """See `mayfly.ports.Machines`. botocore has decoded the base64 already.

        Scrubbed before any cut: half a secret shows no shape any more.
        """
        with translated():
            client = self._client
            try:
                answer = client.get_console_output(InstanceId=instance_id, Latest=True)
            except client.exceptions.ClientError as error:
                if code_of(error) not in _NO_LATEST_OUTPUT:
                    raise
                answer = client.get_console_output(InstanceId=instance_id)
        return scrub(answer.get("Output") or "")[-_CONSOLE:]


def _ending(shown: Mapping[str, Any]) -> tuple[str, str]:
    """Instance id and state of one entry of TerminateInstances' answer."""
    return string(shown["InstanceId"]), string(mapping(shown["CurrentState"])["Name"])


def _zone(subnet: Mapping[str, Any]) -> tuple[str, str]:
    return string(subnet["SubnetId"]), string(subnet["AvailabilityZone"])


def _part(part: Mapping[str, Any]) -> tuple[list[str], Bought]:
    """Ids and purchase of one part of CreateFleet's answer. Only unreadable ids raise."""
    ids = [string(id_) for id_ in part["InstanceIds"] if id_ is not None]
    override = _override(part)
    return ids, Bought(
        instance_type=text(part, "InstanceType") or text(override, "InstanceType"),
        zone=text(override, "AvailabilityZone"),
        market=text(part, "Lifecycle"),
        subnet=text(override, "SubnetId"),
    )


def _override(part: Mapping[str, Any]) -> object:
    """The override that a part of CreateFleet's answer, or an error of it, is about."""
    pool = part.get("LaunchTemplateAndOverrides")
    return pool.get("Overrides") if isinstance(pool, Mapping) else None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """One error of CreateFleet."""

    code: str
    text: str
    dry: str
    """The pool of spot that has no capacity, as `type/subnet`; empty where none is named."""


def _refusal(error: Mapping[str, Any]) -> _Refusal:
    code = optional_string(error.get("ErrorCode"))
    said = f"{code}: {optional_string(error.get('ErrorMessage'))}".strip(": ")
    is_spot = optional_string(error.get("Lifecycle")) == "spot"
    return _Refusal(code, said, _pool(error) if is_spot and code in _DRY else "")


def _pool(error: Mapping[str, Any]) -> str:
    """The pool that an error of CreateFleet is about; empty where the error names none."""
    override = _override(error)
    kind, subnet = text(override, "InstanceType"), text(override, "SubnetId")
    return f"{kind}/{subnet}" if kind and subnet else ""


def _error_without_instances(
    errors: Sequence[str], codes: Sequence[str], dry: frozenset[str]
) -> MayflyError:
    """The error for an answer without instances: Misconfigured if any code is, else NoCapacity.

    EC2 gives the same request (and ClientToken) the same answer again. So even a throttle within
    the answer calls for a new launch later, not for a repetition.
    """
    said = "; ".join(errors[:_ERRORS_IN_MESSAGE]) or "EC2 launched nothing and gave no reason"
    if any(duty(code) is Misconfigured for code in codes):
        return Misconfigured(said)
    return NoCapacity(said, dry)


def _launched(shown: object) -> datetime:
    """The launch time; 1970 where EC2 shows none. Raises TypeError, ValueError."""
    if shown is None:
        return EARLIEST
    if not isinstance(shown, datetime):
        raise TypeError(f"{shown!r} in place of a time")
    return checked(shown)


def _seen(instance: Mapping[str, Any], launched_at: datetime) -> Ec2Instance:
    tags = {text(tag, "Key"): text(tag, "Value") for tag in instance.get("Tags") or () if tag}
    reason = instance.get("StateReason") or {}
    return Ec2Instance(
        instance_id=string(instance["InstanceId"]),
        state=text(instance.get("State") or {}, "Name") or "unknown",
        launch=tags.get("mayfly-launch", ""),
        queue=tags.get("mayfly-queue", ""),
        launched_at=launched_at,
        reason=text(reason, "Message") or text(instance, "StateTransitionReason"),
        bought=Bought(
            text(instance, "InstanceType"),
            text(instance.get("Placement"), "AvailabilityZone"),
            # Absent for on-demand instances. Source: EC2 API reference, Instance.
            text(instance, "InstanceLifecycle") or "on-demand",
        ),
    )


def _association(shown: Mapping[str, Any]) -> Association:
    return Association(
        id=string(shown["AssociationId"]),
        instance_id=string(shown["InstanceId"]),
        profile=string(shown["IamInstanceProfile"]["Arn"]),
        state=string(shown["State"]),
    )
