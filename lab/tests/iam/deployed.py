"""The policies of both templates as deployed, with every option that adds a statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from iam.simulator import ROOT
from mayfly.iam.evaluation import Statement, as_list
from mayfly_cli.templates.reading import read
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment
from mayfly_cli.templates.translation import translate

STACK, QUEUE = "acme", "linux"
TOKEN_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-1111-1111-1111-111111111111"
_CONTROL = {
    "QueueKey": QUEUE,
    "VpcId": "vpc-1",
    "Subnets": "subnet-1,subnet-2",
    "AgentRelease": f"3.138.3,{'1' * 64},{'2' * 64}",
    "TokenKmsKey": TOKEN_KEY,
    "DispatchSubnets": "subnet-0a",
    "DispatchSecurityGroups": "sg-0a",
    "AlarmAddress": "oncall@example.com",
}
_QUEUE = {
    "AgentVersion": "3.138.3",
    "AgentSha256Amd64": "1" * 64,
    "AgentSha256Arm64": "2" * 64,
    "ControlStack": STACK,
    "QueueKey": QUEUE,
    "VpcId": "vpc-1",
    "Subnets": "subnet-1,subnet-2",
    "RootVolumeKey": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/22222222-2222-2222-2222-222222222222",
    "ScriptPrefix": "acme-ci/bootstrap/",
    "SandboxRoleName": "linux-jobs",
}
_POLICIES = {
    "AWS::IAM::Role": ("AssumeRolePolicyDocument",),
    "AWS::KMS::Key": ("KeyPolicy",),
    "AWS::IAM::ManagedPolicy": ("PolicyDocument",),
    "AWS::IAM::Policy": ("PolicyDocument",),
    "AWS::SQS::QueuePolicy": ("PolicyDocument",),
    "AWS::SNS::TopicPolicy": ("PolicyDocument",),
}
"""By type of resource: its properties that are policies."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of a deployed stack."""

    name: str
    """Logical id of the resource, and what the policy is there."""
    statements: tuple[Statement, ...]


@cache
def _control_plane() -> Deployment:
    """The control plane's stack, with every option."""
    template = translate(ROOT / "template.yaml", REGION).template
    return Deployment(template, STACK, _CONTROL)


@cache
def control() -> dict[str, dict[str, Any]]:
    """The resources of the control plane's stack."""
    return _control_plane().resources


@cache
def queue() -> dict[str, dict[str, Any]]:
    """The resources of a queue's stack, with every option that adds a statement."""
    template = read(ROOT / "stacks" / "queue.yaml")
    stored = _control_plane().published
    return Deployment(template, f"{STACK}-{QUEUE}", _QUEUE, stored).resources


def policies() -> Iterator[Policy]:
    """Every policy of both stacks."""
    for resources in (control(), queue()):
        for name, resource in resources.items():
            yield from _of(name, resource)


def of_options() -> Iterator[Policy]:
    """Every policy of what the lab's run does not deploy: secrets, their owners, deploy roles."""
    roles = f"arn:aws:iam::{ACCOUNT}:role"
    path, key = "/vendors/buildkite/linux", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    stored = _control_plane().published
    gifts = {"SecretsPath": path, "JobRolePath": "/ci/linux/", "SecretsOwnersRead": "true"}
    own = {
        "SecretsKey": "own",
        "SecretsKeyAdministrators": f"{roles}/administrator",
        "SecretsOwners": f"{roles}/secrets-owner",
    }
    role = {"RoleName": "shop", "Policies": TOKEN_KEY, "Organization": "acme", "Pipeline": "shop"}
    sandbox = {"SandboxRole": f"{roles}/mayfly/acme/sandbox/linux/jobs", "Queue": QUEUE}
    owners = {"ControlStack": STACK, "SecretsPath": path, "Folder": "shop", "ReadSecrets": "true"}
    for name, given in (
        ("queue", _QUEUE | gifts | own),
        ("queue", _QUEUE | gifts | {"SecretsKey": key}),
        ("secrets-owners", owners),
        ("target-account", role | {"TrustedBy": "oidc", "OidcQueueKey": QUEUE}),
        ("target-account", role | {"TrustedBy": "queue"} | sandbox),
    ):
        template = read(ROOT / "stacks" / f"{name}.yaml")
        for logical, each in Deployment(template, name, given, stored).resources.items():
            yield from _of(logical, each)


def actions(statement: Statement) -> list[str]:
    """The actions of a statement, as it spells them."""
    return [str(each) for each in as_list(statement.get("Action", ()))]


def _of(name: str, resource: dict[str, Any]) -> Iterator[Policy]:
    properties = resource["Properties"]
    for element in _POLICIES.get(resource["Type"], ()):
        yield _policy(f"{name}.{element}", properties[element])
    if resource["Type"] == "AWS::IAM::Role":
        for inline in properties.get("Policies", ()):
            yield _policy(f"{name}.{inline['PolicyName']}", inline["PolicyDocument"])
    if own := properties.get("ResourcePolicy"):
        yield _policy(f"{name}.ResourcePolicy", own["PolicyDocument"])


def _policy(name: str, document: dict[str, Any]) -> Policy:
    return Policy(name, tuple(document["Statement"]))
