"""The CreateFleet request of a launch as JSON: the same input gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured
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
    infra: Infra, shape: Shape, market: str, count: int, tags: Mapping[str, str]
) -> str:
    """JSON of an `instant` request for `count` instances over all types and subnets of the queue.

    The template's version is a number, never $Latest: a repeated request must have the same bytes.
    Raises Misconfigured when the queue's stack has no template for the architecture.
    """
    named = (t for name, t in infra.templates.items() if name == shape.architecture)
    template = next(named, None)
    if template is None:
        raise Misconfigured(f"queue {infra.queue} has no launch template for {shape.architecture}")
    overrides = [
        {"InstanceType": name, "SubnetId": subnet, "Priority": float(order)}
        for order, name in enumerate(shape.instance_types)
        for subnet in infra.subnets
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
            "DefaultTargetCapacityType": market,
        },
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": pairs} for kind in ("fleet", "instance", "volume")
        ],
    }
    if market == "spot":
        # Preference still counts, but after capacity: a reclaimed pool costs whole jobs.
        request["SpotOptions"] = {"AllocationStrategy": "capacity-optimized-prioritized"}
    else:
        request["OnDemandOptions"] = {"AllocationStrategy": "prioritized"}
    return json.dumps(request, sort_keys=True, separators=(",", ":"))
