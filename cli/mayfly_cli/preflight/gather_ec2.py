"""Reads subnets, instance types, quotas and the image from AWS. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mayfly_cli.account import Account
from mayfly_cli.findings import Unknown
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.quotas import markets, quota_of
from mayfly_cli.preflight.snapshot import Image, InstanceType, Subnet

_EVERYWHERE = "0.0.0.0/0"
_TARGETS = (
    "GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId",
    "NetworkInterfaceId", "InstanceId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
)  # fmt: skip


def subnets(account: Account, ids: Sequence[str]) -> dict[str, Subnet] | Unknown:
    """Subnets by id, with their default routes; ids without a subnet are omitted."""
    # A filter, because with SubnetIds one unknown id makes EC2 refuse the whole call.
    found = account.ask("ec2", "describe_subnets", Filters=[_filter("subnet-id", ids)])
    if isinstance(found, Unknown):
        return found
    vpcs = sorted({each["VpcId"] for each in found["Subnets"]})
    tables = (
        account.ask("ec2", "describe_route_tables", Filters=[_filter("vpc-id", vpcs)])
        if vpcs
        else {"RouteTables": []}
    )
    return {each["SubnetId"]: _subnet(account, each, tables) for each in found["Subnets"]}


def _subnet(account: Account, shown: Mapping[str, Any], tables: Any) -> Subnet:
    vpc, zone = shown["VpcId"], shown["AvailabilityZone"]
    free = shown["AvailableIpAddressCount"]
    if isinstance(tables, Unknown):
        return Subnet(vpc, zone, free, tables)
    out, broken = _default_route(_table_of(shown, tables["RouteTables"]))
    if out.startswith("nat-") and not broken:
        broken = _nat_fault(account, out)
    return Subnet(vpc, zone, free, out, broken)


def _table_of(subnet: Mapping[str, Any], tables: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The subnet's own route table, else the main table of its VPC, else an empty mapping."""
    main: Mapping[str, Any] = {}
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet["SubnetId"]:
                return table
            if association.get("Main") and table["VpcId"] == subnet["VpcId"]:
                main = table
    return main


def _default_route(table: Mapping[str, Any]) -> tuple[str, str]:
    for route in table.get("Routes", ()):
        if route.get("DestinationCidrBlock") == _EVERYWHERE:
            target = next((str(route[name]) for name in _TARGETS if route.get(name)), "")
            state = route.get("State", "active")
            return target, "" if state == "active" else f"its route is a {state}"
    return "", ""


def _nat_fault(account: Account, gateway: str) -> str:
    """Why a NAT gateway does not work; empty if it works or cannot be read."""
    seen = account.ask(
        "ec2", "describe_nat_gateways", Filters=[_filter("nat-gateway-id", [gateway])]
    )
    if isinstance(seen, Unknown):
        return ""
    states = [each["State"] for each in seen["NatGateways"]]
    state = states[0] if states else "missing"
    return "" if states == ["available"] else f"the NAT gateway is {state}"


def types(
    account: Account, names: Sequence[str], zones: Sequence[str]
) -> dict[str, InstanceType] | Unknown:
    """Instance types by name, with the zones that offer them.

    Types that the region does not have are omitted.
    """
    described = account.ask(
        "ec2", "describe_instance_types", Filters=[_filter("instance-type", names)]
    )
    offered = account.ask(
        "ec2",
        "describe_instance_type_offerings",
        LocationType="availability-zone",
        Filters=[_filter("instance-type", names), _filter("location", zones)],
    )
    for seen in (described, offered):
        if isinstance(seen, Unknown):
            return seen
    places: dict[str, set[str]] = {}
    for each in offered["InstanceTypeOfferings"]:
        places.setdefault(each["InstanceType"], set()).add(each["Location"])
    return {
        each["InstanceType"]: InstanceType(
            tuple(each["ProcessorInfo"]["SupportedArchitectures"]),
            each["VCpuInfo"]["DefaultVCpus"],
            frozenset(places.get(each["InstanceType"], ())),
        )
        for each in described["InstanceTypes"]
    }


def quotas(account: Account, answers: Answers) -> dict[str, float | Unknown]:
    """Number of vCPUs by code, for each quota that the queue's instances count against."""
    config = answers.config
    codes = {
        code
        for market in markets(config.purchase)
        for name in config.instance_types
        if (code := quota_of(name, market))
    }
    found: dict[str, float | Unknown] = {}
    for code in sorted(codes):
        seen = account.ask("service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=code)
        found[code] = seen if isinstance(seen, Unknown) else float(seen["Quota"]["Value"])
    return found


def image(account: Account, answers: Answers) -> Image | Unknown | None:
    """The image of the queue's instances; None if the image or its SSM parameter does not exist."""
    image_id = answers.own_image
    if not image_id:
        name = answers.image_parameter
        given = account.ask("ssm", "get_parameter", ("ParameterNotFound",), Name=name)
        if given is None or isinstance(given, Unknown):
            return given
        image_id = given["Parameter"]["Value"]
    absent = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidAMIID.Malformed")
    found = account.ask("ec2", "describe_images", absent, ImageIds=[image_id])
    if found is None or isinstance(found, Unknown):
        return found
    if not found["Images"]:
        return None
    shown = found["Images"][0]
    root = str(shown.get("RootDeviceName", ""))
    key = _snapshot_key(account, shown, root)
    return Image(image_id, shown["State"], shown["Architecture"], root, key)


def _snapshot_key(account: Account, image: Mapping[str, Any], root: str) -> str | Unknown:
    """ARN of the key that encrypts the image's root snapshot; empty for an unencrypted one.

    DescribeImages says that a snapshot is encrypted, and DescribeSnapshots by which key.
    """
    for device in image.get("BlockDeviceMappings", ()):
        disk = device.get("Ebs", {})
        if device.get("DeviceName") == root and disk.get("Encrypted"):
            ids = [disk["SnapshotId"]]
            found = account.ask("ec2", "describe_snapshots", SnapshotIds=ids)
            if isinstance(found, Unknown):
                return found
            return next((str(each["KmsKeyId"]) for each in found["Snapshots"]), "")
    return ""


def _filter(name: str, values: Sequence[str]) -> dict[str, object]:
    return {"Name": name, "Values": list(values)}
