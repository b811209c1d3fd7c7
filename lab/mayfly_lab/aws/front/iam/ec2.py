"""EC2's calls as IAM's requests: one for each resource that a call names, with its own keys.

Source: service authorization reference of EC2. A call is read by the prefixes of the ids in its
parameters (`i-`, `vol-`, …), so that calls of attackers are known, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.ec2.templates import tags_by_type, tags_of
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.iam import launches
from mayfly_lab.aws.front.iam.authorization import known, types
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.need import (
    OF_ALL,
    Need,
    UnmappedCallError,
    passed_role,
    request_tags,
    resource_tags,
)

_KINDS = {
    "acl": "network-acl",
    "ami": "image",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "fleet": "fleet",
    "i": "instance",
    "igw": "internet-gateway",
    "key": "key-pair",
    "lt": "launch-template",
    "nat": "natgateway",
    "replacevol": "replace-root-volume-task",
    "rtb": "route-table",
    "sg": "security-group",
    "sir": "spot-instances-request",
    "snap": "snapshot",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
_ID = re.compile(r"([a-z]+(?:-assoc)?)-[0-9a-z]+")
_MADE_BY = ("Allocate", "Copy", "Create", "Import", "Register", "Request", "Run")
"""Beginnings of operations that make the resources that they need but do not name."""
_PASSING = frozenset({"AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"})


def needs(call: Call, facts: Facts) -> Iterator[Need]:
    """What IAM must allow for a call to EC2.

    Raises:
        UnmappedCallError: the call names no resource of a type that its action needs.
    """
    action = f"ec2:{call.operation}"
    if not known(action):
        raise UnmappedCallError(call, "IAM has no such action")
    match call.operation:
        case "RunInstances":
            yield from launches.needs(launches.launch_of(call.parameters, facts), facts)
        case "CreateFleet":
            yield from _fleet(call, facts)
        case _:
            yield from _resources(action, call, facts)
            if call.operation in _PASSING:
                _, role = facts.profile(call.parameters.get("IamInstanceProfile"))
                yield passed_role(role or OF_ALL, "ec2")


def _resources(action: str, call: Call, facts: Facts) -> Iterator[Need]:
    kinds = types(action)
    own = _of_request(call, facts)
    found = dict.fromkeys(
        (kind, name) for kind, name in _named(call.parameters, facts) if kind in kinds
    )
    for kind, name in found:
        keys = {**_of_resource(kind, name, facts), **own}
        yield Need(action, facts.arn("ec2", kind, name), kind, keys)
    missing = [
        kind for kind, needed in kinds.items() if needed and kind not in {k for k, _ in found}
    ]
    if missing and not call.operation.startswith(_MADE_BY):
        raise UnmappedCallError(call, f"it names no {missing[0]}")
    tags = tags_by_type(call.parameters)
    for kind in missing:
        keys = {**request_tags(tags.get(kind, {})), **own}
        yield Need(action, facts.arn("ec2", kind), kind, keys)
    if not found and not missing:
        yield Need(action, OF_ALL, "", own)
    yield from launches.tagging(call.operation, tags, facts)


def _fleet(call: Call, facts: Facts) -> Iterator[Need]:
    """CreateFleet itself; the lab checks the launch from each pool as RunInstances, too."""
    given, action = call.parameters, "ec2:CreateFleet"
    tags = tags_by_type(given)
    for kind in ("fleet", "instance", "volume"):
        # EC2's own volumes have no tags of the request, so only tagged ones are checked.
        if kind != "volume" or kind in tags:
            keys = request_tags(tags.get(kind, {}))
            yield Need(action, facts.arn("ec2", kind), kind, keys)
    named = dict.fromkeys(_named(given.get("LaunchTemplateConfigs") or (), facts))
    for config in given.get("LaunchTemplateConfigs") or ():
        template, _ = facts.template(config.get("LaunchTemplateSpecification") or {})
        named.setdefault(("launch-template", template or OF_ALL))
    for kind, name in named:
        if kind in types(action):
            keys = _of_resource(kind, name, facts)
            yield Need(action, facts.arn("ec2", kind, name), kind, keys)
    yield from launches.tagging(
        "CreateFleet", {kind: own for kind, own in tags.items() if kind == "fleet"}, facts
    )


def _named(value: Any, facts: Facts) -> Iterator[tuple[str, str]]:
    """Resources by type and id, anywhere in the parameters of a call."""
    if isinstance(value, Mapping):
        if value.get("LaunchTemplateName"):
            yield "launch-template", facts.template(value)[0] or OF_ALL
        for name, inner in value.items():
            if name not in {"TagSpecifications", "Tags", "UserData", "ClientToken"}:
                yield from _named(inner, facts)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner, facts)
    elif isinstance(value, str) and (match := _ID.fullmatch(value)):
        if match[1] == "iip-assoc":
            yield "instance", facts.instance_of(value) or OF_ALL
        elif match[1] in _KINDS:
            yield _KINDS[match[1]], value


def _of_resource(kind: str, name: str, facts: Facts) -> dict[str, Values]:
    if kind == "instance":
        return facts.instance(name)
    return resource_tags(facts.cloud.tags(name), "ec2")


def _of_request(call: Call, facts: Facts) -> dict[str, Values]:
    """The keys that the request itself gives."""
    keys: dict[str, Values] = {"ec2:Region": facts.region}
    if call.operation in _PASSING:
        keys["ec2:NewInstanceProfile"] = facts.profile(call.parameters.get("IamInstanceProfile"))[0]
    if call.operation in {"CreateTags", "DeleteTags"}:
        keys |= request_tags(tags_of(call.parameters.get("Tags")))
    if call.operation == "ModifyInstanceAttribute":
        changed = sorted(set(call.parameters) - {"InstanceId", "DryRun", "Value"})
        keys["ec2:Attribute"] = str(call.parameters.get("Attribute") or next(iter(changed), ""))
    return keys
