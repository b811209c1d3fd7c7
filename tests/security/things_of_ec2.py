"""Protected things of EC2 and IAM: instances and their parts, scripts, roles and profiles."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.iam.evaluation import Values
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import deployed
from tests.security.principals import OWN_INSTANCE, function_role_arn, profile_arn, role_arn
from tests.security.thing import Context, Thing, tagged


def tags(stack: str = deployed.STACK, queue: str = "linux") -> dict[str, Values]:
    """Condition keys of a resource with Mayfly's tags; EC2 knows them by two names."""
    pairs = {"mayfly-stack": stack, "mayfly-queue": queue}
    return {
        f"{service}:ResourceTag/{key}": value
        for key, value in pairs.items()
        for service in ("aws", "ec2")
    }


def _ec2(kind: str, name: str) -> str:
    return f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/{name}"


NEW_TAGS: tuple[Context, ...] = tuple(
    {"aws:TagKeys": [key], f"aws:RequestTag/{key}": "acme"}
    for key in ("mayfly-stack", "Mayfly-Stack", "Name")
)
"""Tags that a request may name: Mayfly's, Mayfly's in another case, another."""


def instance_keys(instance: str, profile: str, **of: str) -> dict[str, Values]:
    """Condition keys of an instance of a queue."""
    return tags(**of) | {
        "ec2:InstanceID": instance,
        "ec2:InstanceProfile": profile,
        "ec2:InstanceType": "m7a.large",
        "ec2:MetadataHttpTokens": "required",
        "ec2:MetadataHttpEndpoint": "enabled",
        "ec2:MetadataHttpPutResponseHopLimit": "1",
        "ec2:RootDeviceType": "ebs",
        "ec2:Tenancy": "default",
    }


def instances() -> Iterator[Thing]:
    targets = tuple({"ec2:NewInstanceProfile": profile_arn(k)} for k in ("bootstrap", "sandbox"))
    choices = ({}, *targets, *NEW_TAGS)
    for name, title, instance, profile, of in (
        ("own", "its own instance", OWN_INSTANCE, "sandbox", {}),
        ("bootstrap", "an instance that is still bootstrap", "i-0b", "bootstrap", {}),
        ("ready", "an instance that is ready or runs a job", "i-0c", "sandbox", {}),
        ("queue-2", "an instance of another queue", "i-0d", "bootstrap", {"queue": "linux2"}),
        ("stack-2", "an instance of another stack", "i-0e", "bootstrap", {"stack": "acme-2"}),
    ):
        key, stack = of.get("queue", "linux"), of.get("stack", deployed.STACK)
        keys = instance_keys(instance, profile_arn(profile, key, stack), **of)
        yield Thing(f"instance/{name}", title, _ec2("instance", instance), keys, choices)
    yield Thing(
        "instance/new",
        "a new instance with Mayfly's tags",
        _ec2("instance", "*"),
        {"ec2:MetadataHttpTokens": "required", "ec2:InstanceType": "m7a.large"},
        tuple(
            {
                "aws:TagKeys": ["mayfly-launch", "mayfly-queue", "mayfly-stack"],
                "aws:RequestTag/mayfly-launch": "forged",
                "aws:RequestTag/mayfly-queue": "linux",
                "aws:RequestTag/mayfly-stack": deployed.STACK,
                "ec2:CreateAction": "RunInstances",
                "ec2:InstanceProfile": profile_arn(profile),
            }
            for profile in ("bootstrap", "sandbox")
        ),
        takes=lambda action: action.makes_the_resource or action.name == "ec2:CreateTags",
    )


def parts_of_instances() -> Iterator[Thing]:
    of = {"stack": deployed.STACK, "queue": "linux"}
    yield Thing(
        "part/volume", "an instance's volume", _ec2("volume", "vol-0a"), tags(**of), ({}, *NEW_TAGS)
    )
    yield Thing(
        "part/interface",
        "an instance's network interface",
        _ec2("network-interface", "eni-0a"),
        tags(**of),
        ({}, *NEW_TAGS),
    )
    yield Thing(
        "part/security-group",
        "the queue's security group",
        _ec2("security-group", "sg-0a"),
        tagged(deployed.queue()["InstanceSecurityGroup"]),
        ({}, *NEW_TAGS),
    )
    template = deployed.queue()["LaunchTemplateX8664"]["Properties"]
    (specification,) = template["TagSpecifications"]
    yield Thing(
        "part/launch-template",
        "the queue's launch template",
        _ec2("launch-template", "lt-0a"),
        tagged({"Properties": {"Tags": specification["Tags"]}}),
        ({}, *NEW_TAGS),
    )
    yield Thing(
        "part/fleet", "a launch's EC2 fleet", _ec2("fleet", "fleet-0a"), tags(**of), ({}, *NEW_TAGS)
    )


def scripts() -> Iterator[Thing]:
    place = f"arn:aws:s3:::{deployed.SCRIPT_PREFIX}set-up.sh"
    yield Thing("script/object", "the bootstrap script", place, {})
    bucket = f"arn:aws:s3:::{deployed.SCRIPT_BUCKET}"
    yield Thing("script/bucket", "the bootstrap script's bucket", bucket, {})


def identities() -> Iterator[Thing]:
    passed: tuple[Context, ...] = tuple(
        {"iam:PassedToService": f"{service}.amazonaws.com"} for service in ("ec2", "lambda")
    )
    queue, control = deployed.queue(), deployed.control()
    roles = [
        ("bootstrap", "the bootstrap role", role_arn("bootstrap"), queue["BootstrapRole"]),
        ("sandbox", "the sandbox role", role_arn("sandbox"), queue["SandboxRole"]),
        ("queue-2", "another queue's bootstrap role", role_arn("bootstrap", "linux2"), None),
        ("stack-2", "another stack's sandbox role", role_arn("sandbox", "linux", "acme-2"), None),
    ]
    roles += [
        (name, f"the role of {name}", function_role_arn(name), control[f"{role}FunctionRole"])
        for name, role in (("dispatch", "Dispatch"), ("provision", "Provision"))
    ]
    for name, title, arn, role in roles:
        trust = deployed.trust_statements(role or queue["BootstrapRole"])
        yield Thing(
            f"role/{name}", title, arn, tagged(role) if role else {}, ({}, *passed), tuple(trust)
        )
    for name, title, kind, key in (
        ("bootstrap", "the bootstrap profile", "bootstrap", "linux"),
        ("sandbox", "the sandbox profile", "sandbox", "linux"),
        ("queue-2", "another queue's profile", "sandbox", "linux2"),
    ):
        yield Thing(f"profile/{name}", title, profile_arn(kind, key), {})
    people = f"arn:aws:iam::{ACCOUNT}:policy/mayfly/{deployed.STACK}/people/Operators"
    yield Thing("policy/operators", "the operators' policy", people, {})
