"""The CreateFleet request of a launch as JSON: the same input gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured
from mayfly.provision.purchase import Purchase
from mayfly.records.model import Shape


def one_subnet_per_zone(infra: Infra, zones: Mapping[str, str], launch: str) -> Infra:
    """The infrastructure with one subnet of each zone, for the launch with this id.

    EC2 refuses a request with two subnets of one zone (`InvalidFleetConfig`, "duplicate instance
    pools"). The id, hexadecimal digits, chooses among the subnets of a zone, so that all of them
    are used, and the launch after one that found no free address may take another. A subnet whose
    zone is not known counts as a zone of its own.
    """
    by_zone: dict[str, list[str]] = {}
    for subnet in dict.fromkeys(infra.subnets):
        by_zone.setdefault(zones.get(subnet, subnet), []).append(subnet)
    chosen = tuple(subnets[int(launch, 16) % len(subnets)] for subnets in by_zone.values())
    return infra.model_copy(update={"subnets": chosen})


def fleet_request(
    infra: Infra, shape: Shape, bought: Purchase, count: int, tags: Mapping[str, str]
) -> str:
    """JSON of an `instant` request for `count` instances over the pools of the purchase.

    On demand EC2 launches from the first pool that has capacity: each has a priority of its own.
    Spot is by type alone, so that EC2 is free to choose the zone with the most capacity.

    The template's version is a number, never $Latest: a repeated request must have the same bytes.
    Raises Misconfigured when the queue's stack has no template for the architecture.
    """
    named = (t for name, t in infra.templates.items() if name == shape.architecture)
    template = next(named, None)
    if template is None:
        raise Misconfigured(f"queue {infra.queue} has no launch template for {shape.architecture}")
    is_spot = bought.market == "spot"
    overrides = [
        {
            "InstanceType": name,
            "SubnetId": subnet,
            "Priority": float(shape.instance_types.index(name) if is_spot else order),
        }
        for order, (name, subnet) in enumerate(bought.pools)
    ]
    pairs = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    request: dict[str, Any] = {
        "Type": "instant",
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateId": template.id,
                    "Version": template.version,
                },
                "Overrides": overrides,
            }
        ],
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": count,
            "DefaultTargetCapacityType": bought.market,
        },
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": pairs} for kind in ("fleet", "instance", "volume")
        ],
    }
    if is_spot:
        # Preference still counts, but after capacity: a reclaimed pool costs whole jobs.
        request["SpotOptions"] = {"AllocationStrategy": "capacity-optimized-prioritized"}
    else:
        request["OnDemandOptions"] = {"AllocationStrategy": "prioritized"}
    return json.dumps(request, sort_keys=True, separators=(",", ":"))


def pools_of(request: str) -> frozenset[str]:
    """The pools of a recorded request, as `type/subnet`."""
    configs = json.loads(request).get("LaunchTemplateConfigs", ())
    overrides = [each for config in configs for each in config["Overrides"]]
    return frozenset(f"{each['InstanceType']}/{each['SubnetId']}" for each in overrides)
