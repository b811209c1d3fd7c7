"""Answers of DescribeInstances and DescribeIamInstanceProfileAssociations: filters and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from mayfly_lab.aws.ec2.ec2 import Ec2
from mayfly_lab.aws.ec2.instance import Instance
from mayfly_lab.aws.ec2.profiles import Association
from mayfly_lab.aws.front.call import Refusal

Filters = Iterable[Mapping[str, Any]]
_MOST = 1000

# By filter: the values of an instance that the filter compares.
_FILTERS: dict[str, Callable[[Instance], Iterable[str | None]]] = {
    "architecture": lambda each: [each.moto.architecture],
    "availability-zone": lambda each: [each.moto.placement.zone],
    "client-token": lambda each: [each.moto.client_token],
    "group-id": lambda each: [group.id for group in each.moto.security_groups],
    "iam-instance-profile.arn": lambda each: [(each.moto.iam_instance_profile or {}).get("Arn")],
    "image-id": lambda each: [each.moto.image_id],
    "instance-id": lambda each: [each.instance_id],
    "instance-lifecycle": lambda each: [each.moto.lifecycle],
    "instance-state-code": lambda each: [str(each.state.code)],
    "instance-state-name": lambda each: [str(each.state)],
    "instance-type": lambda each: [each.instance_type],
    "metadata-options.http-tokens": lambda each: [each.moto.metadata_options.http_tokens],
    "private-ip-address": lambda each: [each.moto.private_ip],
    "reservation-id": lambda each: [each.reservation],
    "subnet-id": lambda each: [each.moto.subnet_id],
    "tag-key": lambda each: [tag["key"] for tag in each.moto.get_tags()],
    "vpc-id": lambda each: [each.moto.vpc_id],
}


def describe_instances(ec2: Ec2, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of DescribeInstances.

    Raises:
        Refusal: an unknown id, filter or token; ids together with MaxResults.
    """
    wanted = list(parameters.get("InstanceIds") or ())
    most = parameters.get("MaxResults")
    if wanted and most is not None:
        raise Refusal(
            "InvalidParameterCombination",
            "The parameter instancesSet cannot be used with the parameter maxResults",
        )
    shown = ec2.visible()
    if wanted:
        by_id = {each.instance_id: each for each in shown}
        if missing := [each for each in wanted if each not in by_id]:
            raise Refusal(
                "InvalidInstanceID.NotFound",
                f"The instance ID '{missing[0]}' does not exist",
            )
        shown = [by_id[each] for each in dict.fromkeys(wanted)]
    chosen = [each for each in shown if _passes(each, parameters.get("Filters") or ())]
    page, token = _page(chosen, most, parameters.get("NextToken"))
    return {"Reservations": _reservations(page), "NextToken": token}


def describe_associations(ec2: Ec2, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of DescribeIamInstanceProfileAssociations.

    Raises:
        Refusal: an unknown filter.
    """
    wanted = set(parameters.get("AssociationIds") or ())
    found = []
    for association, state in ec2.profiles.describe():
        values = {"instance-id": association.instance_id, "state": state}
        for each in parameters.get("Filters") or ():
            if each["Name"] not in values:
                raise Refusal("InvalidParameterValue", f"The filter '{each['Name']}' is invalid")
            if values[each["Name"]] not in each["Values"]:
                break
        else:
            if not wanted or association.association_id in wanted:
                found.append(shown_association(association, state))
    return {"IamInstanceProfileAssociations": found}


def shown_association(association: Association, state: str) -> dict[str, Any]:
    """An association in the form of the API's answers."""
    return {
        "AssociationId": association.association_id,
        "InstanceId": association.instance_id,
        "IamInstanceProfile": {
            "Arn": association.profile.arn,
            "Id": association.profile.profile_id,
        },
        "State": state,
    }


def _passes(instance: Instance, filters: Filters) -> bool:
    return all(_matches(instance, each["Name"], each.get("Values") or ()) for each in filters)


def _matches(instance: Instance, name: str, patterns: Sequence[str]) -> bool:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        values = [tag["value"] for tag in instance.moto.get_tags() if tag["key"] == key]
    elif name in _FILTERS:
        values = [value for value in _FILTERS[name](instance) if value is not None]
    else:
        raise Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
    # EC2's wildcards are * and ? only: fnmatch's brackets are escaped.
    literal = [pattern.replace("[", "[[]") for pattern in patterns]
    return any(fnmatchcase(value, pattern) for value in values for pattern in literal)


def _page(
    instances: list[Instance], most: int | None, token: str | None
) -> tuple[list[Instance], str | None]:
    start = 0
    if token:
        positions = {each.instance_id: index for index, each in enumerate(instances)}
        if token not in positions:
            raise Refusal("InvalidParameterValue", "The token is not valid")
        start = positions[token] + 1
    size = _MOST if most is None else int(most)
    if most is not None and not 5 <= size <= _MOST:
        raise Refusal("InvalidParameterValue", f"MaxResults must be from 5 to {_MOST}")
    page = instances[start : start + size]
    more = start + size < len(instances)
    return page, page[-1].instance_id if more else None


def _reservations(instances: Iterable[Instance]) -> list[dict[str, Any]]:
    reservations: dict[str, list[Any]] = {}
    for each in instances:
        reservations.setdefault(each.reservation, []).append(each.moto)
    return [
        {
            "ReservationId": reservation,
            "OwnerId": members[0].owner_id,
            "Groups": [],
            "Instances": members,
        }
        for reservation, members in reservations.items()
    ]
