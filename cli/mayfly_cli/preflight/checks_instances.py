"""Findings about instances: types, quotas, service-linked roles, the image, the agent's archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mayfly.config.warnings import warnings
from mayfly_cli.agent_releases import supported_until
from mayfly_cli.findings import Finding, Unknown, ok, unknown, warning, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.quotas import SPOT, markets, quota_of
from mayfly_cli.preflight.snapshot import Image, InstanceType, Snapshot

SPOT_ROLE = "AWSServiceRoleForEC2Spot"
PIN = "add sha256= with the digest that this command prints: sha256sum FILE"
_SERVICES = {SPOT_ROLE: "spot.amazonaws.com"}


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Findings about each instance type, quota and role, the image, and the agent's archive."""
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
    yield _agent_line(answers, seen)
    for each in warnings(answers.config):
        yield warning(each.parameter, f"{each.value} {each.allowed}", PIN)


def roles(answers: Answers) -> tuple[str, ...]:
    """Names of the service-linked roles that launches need.

    EC2 creates a missing role only for a caller that may create it, and `provision` may not. A
    fleet of type `instant` does not use AWSServiceRoleForEC2Fleet (EC2 user guide, prerequisites of
    EC2 Fleet).
    """
    return (SPOT_ROLE,) if SPOT in markets(answers.config.purchase) else ()


def _type(name: str, found: InstanceType | None, answers: Answers, seen: Snapshot) -> Finding:
    config, size = answers.config, name.partition(".")[2]
    if found is None:
        remedy = "take another with launch/instance-types"
        return wrong(name, f"{seen.region} has no such instance type", remedy)
    if config.architecture not in found.architectures:
        detail = f"the type is {'/'.join(found.architectures)}, the queue {config.architecture}"
        return wrong(name, detail, f"set launch/architecture={found.architectures[-1]}")
    if "*" not in answers.sizes and size not in answers.sizes:
        sizes = ",".join((*answers.sizes, size))
        detail = f"InstanceSizes lacks {size}: Mayfly could never launch this type"
        return wrong(name, detail, f"answer InstanceSizes={sizes}")
    if isinstance(seen.subnets, Unknown):
        return unknown(name, f"cannot tell the zones of its launches: {seen.subnets.reason}")
    missing = sorted({each.zone for each in seen.subnets.values()} - found.zones)
    if not found.zones:
        detail = "offered in none of the subnets' zones"
        return wrong(name, detail, "take another with launch/instance-types, or other subnets")
    if missing:
        detail = f"not offered in {', '.join(missing)}"
        return wrong(name, detail, "take another with launch/instance-types, or other subnets")
    return ok(name, f"{config.architecture}, {found.vcpus} vCPUs, offered in every zone")


def _quotas(
    answers: Answers, seen: Snapshot, types: Mapping[str, InstanceType]
) -> Iterator[Finding]:
    """Findings about each market's quotas, if all instances were of the type with most vCPUs."""
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
        detail = f"{vcpus} vCPUs needed; preflight does not know the quota of these types"
        return unknown(subject, detail)
    quota = seen.quotas.get(code, Unknown("preflight did not read it"))
    if isinstance(quota, Unknown):
        return unknown(subject, f"{code}, {vcpus} vCPUs needed: {quota.reason}")
    most = answers.config.max_instances
    if quota >= vcpus:
        return ok(subject, f"{code}: {quota:g} vCPUs, {vcpus} needed for {most} instances")
    fits = int(quota // (vcpus // most))
    remedy = (
        f"aws service-quotas request-service-quota-increase --region {seen.region}"
        f" --service-code ec2 --quota-code {code} --desired-value {vcpus}\n"
        f"or set limits/max-instances={fits}"
    )
    detail = f"{code}: {quota:g} vCPUs, and {most} instances need {vcpus}"
    return wrong(subject, detail, remedy if fits else remedy.partition("\n")[0])


def _role(name: str, exists: bool | Unknown) -> Finding:
    if isinstance(exists, Unknown):
        return unknown(name, exists.reason)
    if exists:
        return ok(name, "the role exists")
    service = _SERVICES[name]
    command = f"aws iam create-service-linked-role --aws-service-name {service}"
    return wrong(name, "the account does not have this role, and launches need it", command)


def _image(answers: Answers, seen: Snapshot) -> Finding:
    name = answers.own_image or answers.image_parameter
    wanted, device = answers.config.architecture, answers.queue_stack["RootDeviceName"]
    match seen.image:
        case Unknown(reason):
            return unknown("image", f"{name}: {reason}")
        case None:
            remedy = f"list: aws ec2 describe-images --region {seen.region} --owners self amazon"
            return wrong("image", f"{name} does not exist, or not for this account", remedy)
        case Image(state=state) if state != "available":
            return wrong("image", f"{seen.image.id} is {state}", "wait, or take another image")
        case Image(architecture=architecture) if architecture != wanted:
            detail = f"{seen.image.id} is {architecture}, the queue {wanted}"
            return wrong("image", detail, "take another image, or set launch/architecture")
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
            remedy = "answer with the parameters of: mayfly agent-release"
            return wrong(subject, f"nothing is at {url}", remedy)
        case found if found != digest:
            remedy = f"if you trust that address: answer AgentSha256…={found}"
            return wrong(subject, f"{url} has another SHA-256 than {digest[:12]}…", remedy)
        case _:
            version = answers.queue_stack["AgentVersion"]
            detail = f"version {version}, with the stated SHA-256 (fetched by this machine)"
            return ok(subject, detail)


def _agent_line(answers: Answers, seen: Snapshot) -> Finding:
    """Whether Buildkite supports the minor line of the agent's version."""
    subject, version = "agent version", answers.queue_stack["AgentVersion"]
    line = version.rpartition(".")[0]
    remedy = "answer with the parameters of: mayfly agent-release"
    match seen.agent_line:
        case Unknown(reason):
            return unknown(subject, f"the age of {version} is not known: {reason}")
        case None:
            return unknown(subject, f"there is no release {line}.0, so the age is not known")
        case found if seen.now >= supported_until(found):
            detail = (
                f"the line {line} is of {found.published:%Y-%m-%d}: Buildkite supports a line for "
                "a year"
            )
            return wrong(subject, detail, remedy)
        case found:
            detail = f"{version}; the line {line} is supported until"
            return ok(subject, f"{detail} {supported_until(found):%Y-%m-%d}")
