"""Findings about the network: routes, zones, and free addresses of the subnets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import Snapshot, Subnet


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Findings about each subnet's route, the zones, and the free addresses."""
    if isinstance(seen.subnets, Unknown):
        yield unknown("subnets", seen.subnets.reason)
        return
    vpc = answers.control["VpcId"]
    for name in answers.subnets:
        subnet = seen.subnets.get(name)
        if subnet is None:
            yield wrong(
                name, f"there is no such subnet in {seen.region}", _subnets_command(seen, vpc)
            )
        elif subnet.vpc != vpc:
            detail = f"the subnet is in {subnet.vpc}, not in {vpc}"
            yield wrong(name, detail, _subnets_command(seen, vpc))
        else:
            yield _way_out(name, subnet, answers)
    yield _zones(seen, seen.subnets, vpc)
    yield _addresses(seen.subnets, answers)


def _subnets_command(seen: Snapshot, vpc: str) -> str:
    return (
        f"aws ec2 describe-subnets --region {seen.region} --filters Name=vpc-id,Values={vpc}"
        " --query 'Subnets[].[SubnetId,AvailabilityZone]' --output text"
    )


def _way_out(name: str, subnet: Subnet, answers: Answers) -> Finding:
    if isinstance(subnet.out, Unknown):
        return unknown(name, f"cannot read its routes: {subnet.out.reason}")
    out, zone = subnet.out, subnet.zone
    nat = "take subnets whose default route is a NAT gateway"
    if not out:
        detail = f"{zone}, without a route to 0.0.0.0/0: instances could not reach Buildkite"
        return wrong(name, detail, f"{nat} or an internet gateway")
    if subnet.broken:
        return wrong(name, f"{zone}, out through {out}, but {subnet.broken}", nat)
    if out.startswith("igw-"):
        if answers.public:
            return ok(name, f"{zone}, out through {out} with public addresses")
        detail = f"{zone}, out through {out}, which serves only public addresses"
        return wrong(name, detail, f"answer AssignPublicIp=true, or {nat}")
    if out.startswith("nat-"):
        return ok(name, f"{zone}, out through {out}")
    detail = f"{zone}, out through {out}: preflight cannot see whether {out} reaches the internet"
    return unknown(name, detail)


def _zones(seen: Snapshot, subnets: Mapping[str, Subnet], vpc: str) -> Finding:
    zones = [
        zone if number == 1 else f"{zone} ({number} subnets; each launch uses one of them)"
        for zone, number in sorted(Counter(each.zone for each in subnets.values()).items())
    ]
    if len(zones) > 1:
        return ok("zones", ", ".join(zones))
    where = f"only {zones[0]}" if zones else "none"
    detail = f"{where}: jobs wait while one zone has no capacity; take subnets in two or more zones"
    return wrong("zones", detail, _subnets_command(seen, vpc))


def _addresses(subnets: Mapping[str, Subnet], answers: Answers) -> Finding:
    free = sum(each.free_addresses for each in subnets.values())
    most = answers.config.max_instances
    if free >= most:
        return ok("addresses", f"{free} free, for at most {most} instances")
    detail = f"{free} free, and limits/max-instances is {most}"
    return wrong("addresses", detail, f"name larger subnets, or set limits/max-instances={free}")
