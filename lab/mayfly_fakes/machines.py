"""EC2 in memory: instances, their profiles, capacity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mayfly.answers import Association, Bought, Ec2Instance, Launched
from mayfly.errors import (
    FAILURES,
    Conflict,
    Failure,
    Misconfigured,
    NoCapacity,
    NotFound,
)
from mayfly_fakes.faults import Faults

_GONE = {"shutting-down", "terminated"}


@dataclass(slots=True)
class Machine:
    """An instance as EC2 has it; Describe may lag behind."""

    seen: Ec2Instance
    association: Association
    """The active association."""
    instance_type: str
    market: str
    console: str = ""
    replaced: Association | None = None
    """The former association, shown until the active association is settled."""


class FakeMachines(Faults):
    """Implements `mayfly.ports.Machines`.

    A launch stays `pending`, a termination `shutting-down` and a new profile `associating` until
    the world calls `settle`.
    """

    def __init__(self, clock: Callable[[], datetime], templates: Mapping[str, str]) -> None:
        """`templates` has the profile that each launch template gives, by template id."""
        super().__init__()
        self.machines: dict[str, Machine] = {}
        self.requests: dict[str, str] = {}
        """Every CreateFleet request that EC2 took, by client token."""
        self.capacity: dict[tuple[str, str], int] = {}
        """Instances that EC2 can still launch, by market and type; no entry means no limit."""
        self.subnets: dict[str, str] = {}
        """Zone by subnet id. Without an entry, a subnet is alone in a zone that has its name."""
        self.missing_subnets: set[str] = set()
        self.hidden: set[str] = set()
        """Instances that Describe does not show."""
        self.stuck: set[str] = set()
        """Instances that stay `pending` or `stopping`."""
        self.hide_launches = False
        """Whether Describe hides instances launched from now on."""
        self._clock = clock
        self._templates = templates
        self._answers: dict[str, Launched] = {}
        self._associated: dict[str, str] = {}
        """Instance id by association id, for every association that was ever made."""

    # -- the world -----------------------------------------------------------------------------

    def settle(self, *instance_ids: str) -> None:
        """Finish the pending changes of these instances; without ids, of all instances."""
        for instance_id in instance_ids or tuple(self.machines):
            machine = self.machines[instance_id]
            moves = instance_id not in self.stuck
            if machine.seen.state == "pending" and moves:
                machine.seen = replace(machine.seen, state="running")
            if machine.seen.state == "shutting-down":
                self.end(instance_id, machine.seen.reason)
            if machine.seen.state == "stopping" and moves:
                self._stopped(machine)
            if machine.association.state == "associating":
                machine.association = replace(machine.association, state="associated")
                machine.replaced = None

    def end(self, instance_id: str, reason: str) -> None:
        """Terminate an instance at once, as after its own power-off or the loss of its host."""
        machine = self.machines[instance_id]
        if machine.seen.state == "terminated":
            return
        machine.seen = replace(machine.seen, state="terminated", reason=reason)
        machine.association = replace(machine.association, state="disassociated")
        machine.replaced = None
        place = machine.market, machine.instance_type
        if place in self.capacity:
            self.capacity[place] += 1

    def _stopped(self, machine: Machine) -> None:
        """Finish a stop: a stopped instance takes up no capacity."""
        machine.seen = replace(machine.seen, state="stopped")
        place = machine.market, machine.instance_type
        if place in self.capacity:
            self.capacity[place] += 1

    def give(self, instance_id: str, profile: str) -> None:
        """Associate another profile with an instance, as a person does to a stopped one."""
        machine = self.machines[instance_id]
        machine.association = replace(self._associate(instance_id, profile), state="associated")

    def forget(self, instance_id: str) -> None:
        """Stop showing an instance, as EC2 does about an hour after its end."""
        del self.machines[instance_id]

    def intrude(self, seen: Ec2Instance) -> None:
        """Add an instance that Mayfly never launched; `seen` has its tags."""
        association = self._associate(seen.instance_id, "")
        self.machines[seen.instance_id] = Machine(seen, association, "", "on-demand")

    # -- the port ------------------------------------------------------------------------------

    def create_fleet(self, request: str, token: str) -> Launched:
        """See `mayfly.ports.Machines`."""
        with self._call("create_fleet"):
            if self.requests.setdefault(token, request) != request:
                raise Misconfigured(f"IdempotentParameterMismatch: {token}")
            if token not in self._answers:
                self._answers[token] = self._launch(json.loads(request), token)
            answer = self._answers[token]
            if not answer.instance_ids:
                raise NoCapacity("; ".join(answer.errors), answer.dry)
            return answer

    def zones(self, subnets: Collection[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Machines`."""
        with self._call("zones"):
            return {s: self._zone(s) for s in subnets if s not in self.missing_subnets}

    def instances(self) -> Sequence[Ec2Instance]:
        """See `mayfly.ports.Machines`."""
        with self._call("instances"):
            return [m.seen for m in self.machines.values() if m.seen.instance_id not in self.hidden]

    def instances_of(self, instance_ids: Collection[str]) -> Sequence[Ec2Instance]:
        """See `mayfly.ports.Machines`."""
        with self._call("instances_of"):
            shown = [
                self.machines[i].seen for i in dict.fromkeys(instance_ids) if i in self.machines
            ]
            return [seen for seen in shown if seen.instance_id not in self.hidden]

    def associations(self, instance_ids: Collection[str]) -> Mapping[str, tuple[Association, ...]]:
        """See `mayfly.ports.Machines`."""
        with self._call("associations"):
            return {
                instance_id: _shown(self.machines.get(instance_id)) for instance_id in instance_ids
            }

    def replace_profile(self, association: str, profile: str) -> None:
        """See `mayfly.ports.Machines`."""
        with self._call("replace_profile"):
            machine = self.machines.get(self._associated.get(association, ""))
            if not machine or machine.association.id != association:
                raise Conflict(f"InvalidAssociationID.NotFound: {association}")
            if machine.seen.state != "running":
                raise Conflict(f"IncorrectState: the instance is {machine.seen.state}")
            machine.replaced = replace(machine.association, state="disassociating")
            machine.association = self._associate(machine.seen.instance_id, profile)

    def terminate(self, instance_ids: Collection[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Machines`."""
        with self._call("terminate"):
            for instance_id in instance_ids:
                machine = self.machines.get(instance_id)
                if machine and machine.seen.state not in _GONE:
                    reason = "Client.UserInitiatedShutdown"
                    machine.seen = replace(machine.seen, state="shutting-down", reason=reason)
            known = {each: self.machines.get(each) for each in instance_ids}
            return {each: machine.seen.state for each, machine in known.items() if machine}

    def stop(self, instance_ids: Collection[str]) -> Mapping[str, Failure]:
        """See `mayfly.ports.Machines`."""
        return self._each("stop", instance_ids, self._stop)

    def start(self, instance_ids: Collection[str]) -> Mapping[str, Failure]:
        """See `mayfly.ports.Machines`."""
        return self._each("start", instance_ids, self._start)

    def _each(
        self, method: str, instance_ids: Collection[str], act: Callable[[str], None]
    ) -> Mapping[str, Failure]:
        """Act on each instance. A scripted failure of the method is one of every instance."""
        failed: dict[str, Failure] = {}
        try:
            with self._call(method):
                for instance_id in instance_ids:
                    try:
                        act(instance_id)
                    except FAILURES as error:
                        failed[instance_id] = error
        except FAILURES as error:
            failed = dict.fromkeys(instance_ids, error)
        return failed

    def _stop(self, instance_id: str) -> None:
        machine = self._known(instance_id)
        if machine.market == "spot":
            raise Misconfigured("UnsupportedOperation: a spot instance of a fleet is not stopped")
        if machine.seen.state in {*_GONE, "pending"}:
            raise Conflict(f"IncorrectInstanceState: the instance is {machine.seen.state}")
        if machine.seen.state == "running":
            reason = "User initiated"
            machine.seen = replace(machine.seen, state="stopping", reason=reason)

    def _start(self, instance_id: str) -> None:
        machine = self._known(instance_id)
        if machine.seen.state in {*_GONE, "stopping"}:
            raise Conflict(f"IncorrectInstanceState: the instance is {machine.seen.state}")
        if machine.seen.state != "stopped":
            return
        place = machine.market, machine.instance_type
        left = self.capacity.get(place)
        if left == 0:
            raise NoCapacity(f"InsufficientInstanceCapacity: no {place[1]} is left")
        if left is not None:
            self.capacity[place] = left - 1
        machine.seen = replace(machine.seen, state="pending", launched_at=self._clock())

    def _known(self, instance_id: str) -> Machine:
        if instance_id not in self.machines:
            raise NotFound(f"InvalidInstanceID.NotFound: {instance_id}")
        return self.machines[instance_id]

    def console(self, instance_id: str) -> str:
        """See `mayfly.ports.Machines`."""
        with self._call("console"):
            if instance_id not in self.machines:
                raise NotFound(instance_id)
            return self.machines[instance_id].console

    # -- launching -----------------------------------------------------------------------------

    def _launch(self, request: Mapping[str, Any], token: str) -> Launched:
        wanted = request["TargetCapacitySpecification"]
        market = wanted["DefaultTargetCapacityType"]
        places = list(_places(request))
        for template, _ in places:
            if template not in self._templates:
                raise Misconfigured(f"InvalidLaunchTemplateId.NotFound: {template}")
        pools = [(kind, self._zone(subnet)) for kind, subnet in _pools(request) if subnet]
        if len(set(pools)) < len(pools):
            raise Misconfigured("InvalidFleetConfig: duplicate instance pools")
        launched: list[str] = []
        errors: list[str] = []
        dry: set[str] = set()
        while places and len(launched) < wanted["TotalTargetCapacity"]:
            template, kind = places[0]
            left = self.capacity.get((market, kind))
            if left == 0:
                errors.append(f"InsufficientInstanceCapacity: no {market} {kind} is left")
                named = {f"{type_}/{subnet}" for type_, subnet in _pools(request) if type_ == kind}
                dry |= named if market == "spot" else set()
                del places[0]
                continue
            if left is not None:
                self.capacity[market, kind] = left - 1
            instance_id = _id_of(f"{token}/{len(launched)}")
            profile = self._associate(instance_id, self._templates[template])
            zone = next(iter(zone for type_, zone in pools if type_ == kind), "")
            kept = Bought(kind, zone, market)
            seen = Ec2Instance(instance_id, "pending", *_tags(request), self._clock(), bought=kept)
            self.machines[instance_id] = Machine(seen, profile, kind, market)
            launched.append(instance_id)
        if self.hide_launches:
            self.hidden.update(launched)
        # EC2 promises no order.
        bought = {each: self.machines[each].seen.bought for each in launched}
        ids, said = tuple(reversed(launched)), tuple(dict.fromkeys(errors))
        return Launched(ids, said, bought, frozenset(dry))

    def _zone(self, subnet: str) -> str:
        return self.subnets.get(subnet, f"zone of {subnet}")

    def _associate(self, instance_id: str, profile: str) -> Association:
        name = f"iip-assoc-{len(self._associated):017x}"
        self._associated[name] = instance_id
        return Association(name, instance_id, profile, "associating")


def _shown(machine: Machine | None) -> tuple[Association, ...]:
    if machine is None or machine.association.state == "disassociated":
        return ()
    return (machine.replaced, machine.association) if machine.replaced else (machine.association,)


def _id_of(name: str) -> str:
    return "i-" + hashlib.sha256(name.encode()).hexdigest()[:17]


def _places(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Template and instance type of every override, in the request's order."""
    for config in request["LaunchTemplateConfigs"]:
        template = config["LaunchTemplateSpecification"]["LaunchTemplateId"]
        for override in config.get("Overrides") or [{}]:
            yield template, override.get("InstanceType", "")


def _pools(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Instance type and subnet of every override."""
    for config in request["LaunchTemplateConfigs"]:
        for override in config.get("Overrides") or ():
            yield override.get("InstanceType", ""), override.get("SubnetId", "")


def _tags(request: Mapping[str, Any]) -> tuple[str, str]:
    """Launch and queue from the instance tags of the request; empty without a tag."""
    tags = {
        tag["Key"]: tag["Value"]
        for given in request.get("TagSpecifications", [])
        if given["ResourceType"] == "instance"
        for tag in given["Tags"]
    }
    return tags.get("mayfly-launch", ""), tags.get("mayfly-queue", "")
