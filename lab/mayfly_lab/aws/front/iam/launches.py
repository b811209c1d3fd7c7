"""Launches as IAM's requests: RunInstances is checked on every resource that it uses or makes.

Sources: service authorization reference of EC2; EC2 user guide, "Example policies: Launch
instances" and "Work with launch templates" (`ec2:IsLaunchTemplateResource` is false for a resource
that the request names in place of the template's); "CreateFleet" (the caller of a fleet also needs
the rights of RunInstances).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.ec2.templates import launch_tags
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.need import OF_ALL, Need, passed_role, request_tags, resource_tags

RUN = "ec2:RunInstances"
_BY_PARAMETER = "resolve:ssm:"


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch: what the request says over what its launch template says."""

    template: str
    """The id of the launch template; empty for none."""
    base: Mapping[str, Any]
    """The data of the launch template."""
    own: Mapping[str, Any]
    """The data of the request, or of a fleet's override."""
    tags: Mapping[str, Mapping[str, str]]
    """By resource type: the tags that are set at the launch."""
    spot: bool = False
    image: str = ""
    """The id of the image, where the data names a parameter; empty for the data's own."""

    def data(self, name: str) -> Any:
        """A value of the request, else of the template."""
        return self.own.get(name) or self.base.get(name)


def launch_of(call_parameters: Mapping[str, Any], facts: Facts) -> Launch:
    """The launch of a RunInstances request."""
    named = call_parameters.get("LaunchTemplate")
    template, base = facts.template(named) if named else ("", {})
    market = call_parameters.get("InstanceMarketOptions") or base.get("InstanceMarketOptions") or {}
    tags = launch_tags(base, call_parameters)
    return Launch(template, base, call_parameters, tags, market.get("MarketType") == "spot")


def needs(launch: Launch, facts: Facts) -> Iterator[Need]:
    """What IAM must allow for a launch: the resources, the tags, and the passed role."""
    profile = launch.data("IamInstanceProfile")
    profile_arn, role = facts.profile(profile) if profile else ("", "")
    yield Need(RUN, facts.arn("ec2", "instance"), "instance", _instance(launch, profile_arn, facts))
    for kind, name, keys, changed in _used(launch, facts):
        used = keys | _from(launch, facts, changed=changed)
        yield Need(RUN, facts.arn("ec2", kind, name), kind, used)
    for kind, parameter in (
        ("network-interface", "NetworkInterfaces"),
        ("volume", "BlockDeviceMappings"),
    ):
        keys = request_tags(launch.tags.get(kind, {}))
        if kind == "network-interface" and (subnet := _subnet(launch)):
            keys["ec2:Subnet"] = facts.arn("ec2", "subnet", subnet)
        own = _from(launch, facts, changed=bool(launch.own.get(parameter)))
        yield Need(RUN, facts.arn("ec2", kind), kind, {**keys, **own})
    if launch.spot:
        tags = request_tags(launch.tags.get("spot-instances-request", {}))
        yield Need(RUN, facts.arn("ec2", "spot-instances-request"), "spot-instances-request", tags)
    yield from tagging("RunInstances", launch.tags, facts)
    image = str(launch.data("ImageId") or "")
    if image.startswith(_BY_PARAMETER):
        name = image.removeprefix(_BY_PARAMETER).lstrip("/")
        yield Need("ssm:GetParameters", facts.arn("ssm", "parameter", name), "parameter")
    if profile:
        yield passed_role(role or OF_ALL, "ec2")


def tagging(action: str, tags: Mapping[str, Mapping[str, str]], facts: Facts) -> Iterator[Need]:
    """ec2:CreateTags for the tags that an operation sets on what it makes."""
    for kind, own in tags.items():
        if own:
            context = {**request_tags(own), "ec2:CreateAction": action}
            yield Need("ec2:CreateTags", facts.arn("ec2", kind), kind, context)


def _instance(launch: Launch, profile: str, facts: Facts) -> dict[str, Values]:
    options = {**(launch.base.get("MetadataOptions") or {})}
    options |= launch.own.get("MetadataOptions") or {}
    keys: dict[str, Values] = {
        "ec2:InstanceType": str(launch.data("InstanceType") or "m1.small"),
        "ec2:InstanceMarketType": "spot" if launch.spot else "on-demand",
        "ec2:RootDeviceType": "ebs",
        "ec2:Tenancy": "default",
        **request_tags(launch.tags.get("instance", {})),
        **_from(launch, facts, changed=False),
    }
    for key in ("HttpTokens", "HttpEndpoint", "HttpPutResponseHopLimit"):
        if options.get(key) is not None:
            keys[f"ec2:Metadata{key}"] = str(options[key])
    if profile:
        keys["ec2:InstanceProfile"] = profile
    return keys


def _used(launch: Launch, facts: Facts) -> Iterator[tuple[str, str, dict[str, Values], bool]]:
    """Existing resources of a launch: type, id, condition keys, and whether the request names it.

    Without a subnet, EC2 takes one of the default VPC, and without a group its default group.
    """
    image = launch.image or str(launch.data("ImageId") or OF_ALL)
    tags = facts.cloud.tags
    image_keys: dict[str, Values] = {"ec2:ImageID": image, **resource_tags(tags(image), "ec2")}
    yield "image", image, image_keys, bool(launch.own.get("ImageId"))
    subnet = _subnet(launch)
    changed = bool(launch.own.get("SubnetId") or launch.own.get("NetworkInterfaces"))
    yield "subnet", subnet or OF_ALL, resource_tags(tags(subnet), "ec2"), changed
    interface: Mapping[str, Any] = next(iter(launch.data("NetworkInterfaces") or ()), {})
    groups = launch.data("SecurityGroupIds") or interface.get("Groups") or [OF_ALL]
    changed = bool(launch.own.get("SecurityGroupIds") or launch.own.get("NetworkInterfaces"))
    for group in groups:
        keys: dict[str, Values] = {"ec2:SecurityGroupID": group}
        yield "security-group", str(group), {**keys, **resource_tags(tags(group), "ec2")}, changed
    if launch.template:
        keys = resource_tags(tags(launch.template), "ec2")
        yield "launch-template", launch.template, keys, False
    if key := launch.data("KeyName"):
        yield "key-pair", str(key), {"ec2:KeyPairName": str(key)}, bool(launch.own.get("KeyName"))


def _subnet(launch: Launch) -> str:
    interface: Mapping[str, Any] = next(iter(launch.data("NetworkInterfaces") or ()), {})
    return str(launch.data("SubnetId") or interface.get("SubnetId") or "")


def _from(launch: Launch, facts: Facts, *, changed: bool) -> dict[str, Values]:
    """The keys of a launch template's use; none for a launch without a template."""
    if not launch.template:
        return {}
    return {
        "ec2:LaunchTemplate": facts.arn("ec2", "launch-template", launch.template),
        "ec2:IsLaunchTemplateResource": str(not changed).lower(),
    }
