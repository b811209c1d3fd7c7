"""Looks at what instances would need: subnets, types, quotas, the image. It changes nothing."""

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
    """The subnets that there are, with their ways out."""
    # A filter and not SubnetIds: one that is not there would hide the others.
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
    out, broken = _way_out(_table_of(shown, tables["RouteTables"]))
    if out.startswith("nat-") and not broken:
        broken = _nat(account, out)
    return Subnet(vpc, zone, free, out, broken)


def _table_of(subnet: Mapping[str, Any], tables: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The subnet's own route table, else its VPC's main one."""
    main: Mapping[str, Any] = {}
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet["SubnetId"]:
                return table
            if association.get("Main") and table["VpcId"] == subnet["VpcId"]:
                main = table
    return main


def _way_out(table: Mapping[str, Any]) -> tuple[str, str]:
    for route in table.get("Routes", ()):
        if route.get("DestinationCidrBlock") == _EVERYWHERE:
            target = next((str(route[name]) for name in _TARGETS if route.get(name)), "")
            state = route.get("State", "active")
            return target, "" if state == "active" else f"its route is a {state}"
    return "", ""


def _nat(account: Account, gateway: str) -> str:
    """Why a NAT gateway lets nothing through; empty where that is not seen."""
    seen = account.ask(
        "ec2", "describe_nat_gateways", Filters=[_filter("nat-gateway-id", [gateway])]
    )
    if isinstance(seen, Unknown):
        return ""
    states = [each["State"] for each in seen["NatGateways"]]
    return "" if states == ["available"] else f"it is {states[0] if states else 'not there'}"


def types(
    account: Account, names: Sequence[str], zones: Sequence[str]
) -> dict[str, InstanceType] | Unknown:
    """The instance types that this region has, and where they are offered."""
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
    """The quotas that the queue's instances count against."""
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
    """The image that instances of the queue would have."""
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
    return Image(
        image_id, shown["State"], shown["Architecture"], str(shown.get("RootDeviceName", ""))
    )


def _filter(name: str, values: Sequence[str]) -> dict[str, object]:
    return {"Name": name, "Values": list(values)}
