"""Would EC2 launch instances of this kind, this many, with this image?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.quotas import SPOT, markets, quota_of
from mayfly_cli.preflight.snapshot import Image, InstanceType, Snapshot

SPOT_ROLE = "AWSServiceRoleForEC2Spot"
FLEET_ROLE = "AWSServiceRoleForEC2Fleet"
_SERVICES = {SPOT_ROLE: "spot.amazonaws.com", FLEET_ROLE: "ec2fleet.amazonaws.com"}


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """The findings about instances."""
    if isinstance(seen.types, Unknown):
        yield unknown("instance types", seen.types.reason)
    else:
        for name in answers.config.instance_types:
            yield _type(name, seen.types.get(name), answers, seen)
        yield from _quotas(answers, seen, seen.types)
    for role in roles(answers):
        yield _role(role, seen.roles[role])
    yield _image(answers, seen)
    yield _archive(answers, seen)


def roles(answers: Answers) -> tuple[str, ...]:
    """The service-linked roles that launches need.

    `provision` may not make them, and EC2 makes them by itself only for callers who may.
    """
    spot = (SPOT_ROLE,) if SPOT in markets(answers.config.purchase) else ()
    return (FLEET_ROLE, *spot)


def _type(name: str, found: InstanceType | None, answers: Answers, seen: Snapshot) -> Finding:
    config, size = answers.config, name.partition(".")[2]
    if found is None:
        remedy = "take another with launch/instance-types"
        return wrong(name, f"{seen.region} has no such instance type", remedy)
    if config.architecture not in found.architectures:
        detail = f"it is {'/'.join(found.architectures)}, the queue {config.architecture}"
        return wrong(name, detail, f"put launch/architecture={found.architectures[-1]}")
    if "*" not in answers.sizes and size not in answers.sizes:
        sizes = ",".join((*answers.sizes, size))
        detail = f"InstanceSizes does not have {size}: it could never be launched"
        return wrong(name, detail, f"answer InstanceSizes={sizes}")
    if isinstance(seen.subnets, Unknown):
        return unknown(name, f"in which zones it would be launched: {seen.subnets.reason}")
    missing = sorted({each.zone for each in seen.subnets.values()} - found.zones)
    if not found.zones:
        detail = "it is offered in none of the subnets' zones"
        return wrong(name, detail, "take another with launch/instance-types, or other subnets")
    if missing:
        detail = f"not offered in {', '.join(missing)}"
        return wrong(name, detail, "take another with launch/instance-types, or other subnets")
    return ok(name, f"{config.architecture}, {found.vcpus} vCPUs, offered in every zone")


def _quotas(
    answers: Answers, seen: Snapshot, types: Mapping[str, InstanceType]
) -> Iterator[Finding]:
    """Each market's quota must hold all instances of the type that counts most."""
    config = answers.config
    for market in markets(config.purchase):
        needed: dict[str | None, int] = {}
        for name in config.instance_types:
            if name in types:
                code = quota_of(name, market)
                needed[code] = max(needed.get(code, 0), types[name].vcpus * config.max_instances)
        for code, vcpus in needed.items():
            yield _quota(market, code, vcpus, answers, seen)


def _quota(market: str, code: str | None, vcpus: int, answers: Answers, seen: Snapshot) -> Finding:
    subject = f"quota {market}"
    if code is None:
        detail = f"{vcpus} vCPUs needed; which quota these types count against is not known here"
        return unknown(subject, detail)
    quota = seen.quotas.get(code, Unknown("it was not asked for"))
    if isinstance(quota, Unknown):
        return unknown(subject, f"{code}, {vcpus} vCPUs needed: {quota.reason}")
    most = answers.config.max_instances
    if quota >= vcpus:
        return ok(subject, f"{code}: {quota:g} vCPUs, {vcpus} needed for {most} instances")
    fits = int(quota // (vcpus // most))
    remedy = (
        f"aws service-quotas request-service-quota-increase --region {seen.region}"
        f" --service-code ec2 --quota-code {code} --desired-value {vcpus}\n"
        f"or put limits/max-instances={fits}"
    )
    detail = f"{code}: {quota:g} vCPUs, and {most} instances need {vcpus}"
    return wrong(subject, detail, remedy if fits else remedy.partition("\n")[0])


def _role(name: str, exists: bool | Unknown) -> Finding:
    if isinstance(exists, Unknown):
        return unknown(name, exists.reason)
    if exists:
        return ok(name, "it exists")
    service = _SERVICES[name]
    command = f"aws iam create-service-linked-role --aws-service-name {service}"
    return wrong(name, "the account does not have it, and launches need it", command)


def _image(answers: Answers, seen: Snapshot) -> Finding:
    name = answers.own_image or answers.image_parameter
    wanted, device = answers.config.architecture, answers.queue_stack["RootDeviceName"]
    match seen.image:
        case Unknown(reason):
            return unknown("image", f"{name}: {reason}")
        case None:
            remedy = f"look at: aws ec2 describe-images --region {seen.region} --owners self amazon"
            return wrong("image", f"{name} is not there, or not for this account", remedy)
        case Image(state=state) if state != "available":
            return wrong("image", f"{seen.image.id} is {state}", "wait, or take another image")
        case Image(architecture=architecture) if architecture != wanted:
            detail = f"{seen.image.id} is {architecture}, the queue {wanted}"
            return wrong("image", detail, "take another image, or put launch/architecture")
        case Image(root_device=root) if root != device:
            detail = f"the root device of {seen.image.id} is {root}, not {device}"
            return wrong("image", detail, f"answer RootDeviceName={root}")
        case Image(id=found):
            return ok("image", f"{found}, {wanted}, available")


def _archive(answers: Answers, seen: Snapshot) -> Finding:
    subject, (url, digest) = "agent archive", answers.archive()
    match seen.archive:
        case Unknown(reason):
            return unknown(subject, reason)
        case None:
            remedy = "answer AgentVersion with a release, and AgentSha256… with what it publishes"
            return wrong(subject, f"nothing is at {url}", remedy)
        case found if found != digest:
            remedy = f"if you trust that address: answer AgentSha256…={found}"
            return wrong(subject, f"{url} has another SHA-256 than {digest[:12]}…", remedy)
        case _:
            version = answers.queue_stack["AgentVersion"]
            return ok(subject, f"version {version}, with the stated SHA-256 (fetched from here)")
