"""CreateFleet of type instant: one attempt over several pools, partial success, errors per pool."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly_lab.aws.ec2.launching import Launcher, Specification, insufficient
from mayfly_lab.aws.ec2.templates import Data
from mayfly_lab.aws.front.call import Call, Refusal

_UNKNOWN_OPTIONS = ("SingleInstanceType", "SingleAvailabilityZone")
_UNKNOWN_OVERRIDES = ("WeightedCapacity", "InstanceRequirements")
_BY_PRIORITY = frozenset({"prioritized", "capacity-optimized-prioritized"})


@dataclass(frozen=True, slots=True)
class Pool:
    """One override of one launch template."""

    template: Data
    override: Data

    def shown(self, specification: Specification | None) -> dict[str, Any]:
        """`LaunchTemplateAndOverrides` of the answer, with the version that was used."""
        template = dict(self.template)
        if specification is not None and specification.template is not None:
            template = {
                "LaunchTemplateId": specification.template[0],
                "Version": str(specification.template[1]),
            }
        return {"LaunchTemplateSpecification": template, "Overrides": dict(self.override)}


class InstantFleet:
    """One CreateFleet request. Several possible pools are tried in the request's order.

    AWS would choose by price and spare capacity. The lab has neither, so the request's order (or
    priority) decides.
    """

    def __init__(self, launcher: Launcher, call: Call) -> None:
        """Check the call; its caller needs the right to launch from each pool.

        Raises:
            Refusal: the request needs an option that the lab's fleets do not have, or two of its
                pools are one to EC2.
        """
        self._launcher = launcher
        self._call = call
        self._request = request = call.parameters
        self._errors: list[dict[str, Any]] = []
        _refuse_unknown(request)
        self._refuse_duplicates()

    def launch(self) -> dict[str, Any]:
        """Launch as many instances as the pools hold. Returns the answer of CreateFleet.

        Raises:
            Refusal: a launch template does not exist.
        """
        fleet_id = f"fleet-{uuid.uuid4()}"
        planned = [
            (spot, pool, specification, count)
            for spot, wanted in self._targets()
            for pool, specification, count in self._plan(wanted, spot=spot)
        ]
        minimum = (self._request.get("OnDemandOptions") or {}).get("MinTargetCapacity") or 0
        if sum(count for *_, count in planned) < int(minimum):
            planned = []
        instances = []
        for spot, pool, specification, count in planned:
            launched = self._launcher.launch(specification, count, fleet_id=fleet_id)
            instances.append(
                {
                    "LaunchTemplateAndOverrides": pool.shown(specification),
                    "Lifecycle": "spot" if spot else "on-demand",
                    "InstanceIds": [each.instance_id for each in launched],
                    "InstanceType": specification.instance_type,
                }
            )
        return {"FleetId": fleet_id, "Errors": self._errors, "Instances": instances}

    def _targets(self) -> list[tuple[bool, int]]:
        """Pairs of market (True for spot) and wanted instances; markets with none are omitted."""
        target = self._request["TargetCapacitySpecification"]
        spot = int(target.get("SpotTargetCapacity") or 0)
        on_demand = int(target.get("OnDemandTargetCapacity") or 0)
        rest = max(0, int(target["TotalTargetCapacity"]) - spot - on_demand)
        if target.get("DefaultTargetCapacityType") == "spot":
            spot += rest
        else:
            on_demand += rest
        return [(is_spot, count) for is_spot, count in ((False, on_demand), (True, spot)) if count]

    def _plan(self, wanted: int, *, spot: bool) -> list[tuple[Pool, Specification, int]]:
        """Pools with their specification and number of instances.

        A pool without capacity, or refused otherwise, adds an error to the answer.
        """
        options = self._request.get("SpotOptions" if spot else "OnDemandOptions") or {}
        strategy = str(options.get("AllocationStrategy") or "lowest-price")
        open_pools: list[tuple[Pool, Specification]] = []
        for pool in self._pools(by_priority=strategy in _BY_PRIORITY):
            try:
                request = {
                    **pool.override,
                    "TagSpecifications": self._request.get("TagSpecifications"),
                }
                specification = self._launcher.specify(pool.template, request, spot=spot)
                self._launcher.right(self._call, specification)
                self._launcher.require_room(specification)
            except Refusal as refusal:
                if refusal.code.startswith("InvalidLaunchTemplate"):
                    raise
                self._errors.append(_error(pool, refusal, spot=spot))
                continue
            open_pools.append((pool, specification))
            if strategy != "diversified":
                break
        planned = []
        shares = _shares(wanted, len(open_pools))
        for (pool, specification), share in zip(open_pools, shares, strict=True):
            count = self._launcher.most(specification, share)
            if count < share:
                self._errors.append(_error(pool, insufficient(specification), spot=spot))
            planned.append((pool, specification, count))
        return [each for each in planned if each[2]]

    def _refuse_duplicates(self) -> None:
        """Refuse two pools of one type in one zone, whatever their subnets, as EC2 does."""
        pools = [
            (str(pool.template), pool.override.get("InstanceType"), zone)
            for pool in self._pools(by_priority=False)
            if (zone := self._launcher.zone(pool.override))
        ]
        if len(set(pools)) < len(pools):
            # Words and code: github-aws-runners/terraform-aws-github-runner, issue 5297.
            raise Refusal(
                "InvalidFleetConfig", "The fleet configuration contains duplicate instance pools."
            )

    def _pools(self, *, by_priority: bool) -> list[Pool]:
        pools = [
            Pool(config["LaunchTemplateSpecification"], override)
            for config in self._request["LaunchTemplateConfigs"]
            for override in config.get("Overrides") or [{}]
        ]
        if by_priority:
            pools.sort(key=lambda pool: _priority(pool.override))
        return pools


def _priority(override: Data) -> float:
    """An override's priority: 0.0 comes first, and an override without one last, as in EC2."""
    given = override.get("Priority")
    return float("inf") if given is None else float(given)


def _shares(wanted: int, pools: int) -> Sequence[int]:
    return [wanted // pools + (index < wanted % pools) for index in range(pools)]


def _error(pool: Pool, refusal: Refusal, *, spot: bool) -> dict[str, Any]:
    return {
        "LaunchTemplateAndOverrides": pool.shown(None),
        "Lifecycle": "spot" if spot else "on-demand",
        "ErrorCode": refusal.code,
        "ErrorMessage": refusal.message,
    }


def _refuse_unknown(request: Mapping[str, Any]) -> None:
    if request.get("Type") != "instant":
        raise Refusal("NotImplemented", "the lab's fleets are of type instant", 501)
    for part in ("OnDemandOptions", "SpotOptions"):
        for option in _UNKNOWN_OPTIONS:
            if (request.get(part) or {}).get(option):
                raise Refusal("NotImplemented", f"the lab's fleets do not know {option}", 501)
    for config in request["LaunchTemplateConfigs"]:
        for override in config.get("Overrides") or ():
            for option in _UNKNOWN_OVERRIDES:
                if override.get(option):
                    raise Refusal("NotImplemented", f"the lab's fleets do not know {option}", 501)
