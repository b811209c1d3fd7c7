"""What no role of a queue may be able to do, as requests that its policies are asked about.

Two kinds. The effects of `unheld` reach roles and code on which no Deny of Mayfly lies, so no
Deny can hold them: the operator's policies must not give them. The effects of `protected` touch
what the Denies of stacks/queue.yaml protect: only a role without these Denies can have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mayfly.iam.evaluation import Request
from mayfly.iam.place import ANY, OTHER, OTHER_ROW, Place


@dataclass(frozen=True, slots=True)
class Danger:
    """One effect: `requests` that must all be possible for it."""

    effect: str
    """What the role could do, as `assume any role of the account`."""
    requests: tuple[Request, ...]
    granted_elsewhere: tuple[Request, ...] = ()
    """Further requests that a policy of the resource may allow: only a Deny holds them."""


SERVICES = (
    "apprunner", "batch", "bedrock-agentcore", "build.apprunner", "cloudformation", "codebuild",
    "codedeploy", "codepipeline", "datapipeline", "ec2", "ecs", "ecs-tasks", "eks", "events",
    "elasticmapreduce", "glue", "imagebuilder", "lambda", "pipes", "pods.eks", "sagemaker",
    "scheduler", "ssm", "states", "tasks.apprunner",
)  # fmt: skip
"""Services (before `.amazonaws.com`) that run the code, or send the calls, of whoever passes a
role to them. Roles of other services, as of auto scaling, do what the service is made for."""

_ROLE_WRITES = (
    "AttachRolePolicy", "CreateRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy",
    "DetachRolePolicy", "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy",
)  # fmt: skip
_IAM_WRITES: dict[str, tuple[str, ...]] = {
    "role": _ROLE_WRITES,
    "user": (
        "AddUserToGroup", "AttachUserPolicy", "CreateAccessKey", "CreateLoginProfile", "CreateUser",
        "DeleteUserPermissionsBoundary", "PutUserPolicy", "UpdateLoginProfile",
    ),
    "group": ("AttachGroupPolicy", "PutGroupPolicy"),
    "policy": ("CreatePolicyVersion", "SetDefaultPolicyVersion"),
    "instance-profile": ("AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile"),
    "oidc-provider": ("CreateOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint"),
    "saml-provider": ("CreateSAMLProvider", "UpdateSAMLProvider"),
}  # fmt: skip
"""By resource type: actions of IAM by which their caller gets other rights."""


def unheld(place: Place, patterns: Iterable[str]) -> Iterator[Danger]:
    """Effects that no Deny of Mayfly can hold. `patterns` are the resources of a role's Allows.

    A role that is named, or has a part of its name before a wildcard, is its operator's choice for
    AssumeRole and PassRole: such a role has been made for this. No writing of IAM is: who may write
    even one role can give that role every right.
    """
    written = tuple(patterns)
    for kind, actions in _IAM_WRITES.items():
        resources = (place.arn("iam", f"{kind}/{ANY}"), *_examples(kind, written))
        for action in actions:
            for resource in resources:
                yield Danger("write IAM", (place.request(f"iam:{action}", resource),))
    role = place.arn("iam", f"role/{ANY}")
    yield Danger("assume any role of the account", (place.request("sts:AssumeRole", role),))
    for service in SERVICES:
        named = f"{service}.amazonaws.com"
        request = place.request("iam:PassRole", role, iam__PassedToService=named)
        yield Danger("pass any role of the account to a service", (request,))


def _examples(kind: str, patterns: Sequence[str]) -> Iterator[str]:
    """A resource of IAM for each pattern that can mean one of this kind."""
    for pattern in patterns:
        if re.match(rf"arn:[^:]*:iam:[^:]*:[^:]*:{kind}/", pattern):
            yield re.sub(r"\$\{[^}]*\}|[*?]", "x", pattern)


def protected(place: Place) -> Iterator[Danger]:
    """Effects on what Mayfly protects, which stacks/queue.yaml denies to both roles of a queue."""
    yield from _tables(place)
    yield from _token(place)
    for effect, request in (
        *_instances(place),
        *_configuration(place),
        *_software(place),
        *_roles(place),
        *_script(place),
    ):
        yield Danger(effect, (request,))


def _tables(place: Place) -> Iterator[Danger]:
    fleet = place.arn("dynamodb", f"table/{place.stack}-fleet")
    mailbox = place.arn("dynamodb", f"table/{place.stack}-mailbox")
    for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"):
        request = place.request(f"dynamodb:{name}", fleet, dynamodb__LeadingKeys=["queue#other"])
        yield Danger("use the Fleet table", (request,))
    for name, resource in (("Query", f"{fleet}/index/open"), ("Scan", fleet)):
        yield Danger("use the Fleet table", (place.request(f"dynamodb:{name}", resource),))
    for name in (
        *("GetItem", "BatchGetItem", "Query", "PartiQLSelect", "UpdateItem", "PutItem"),
        *("DeleteItem", "BatchWriteItem", "PartiQLUpdate", "PartiQLInsert", "PartiQLDelete"),
    ):
        keys = {"dynamodb__LeadingKeys": [OTHER_ROW], "dynamodb__Attributes": ["key", "report"]}
        request = place.request(f"dynamodb:{name}", mailbox, **keys)
        yield Danger("use the mailbox row of another instance", (request,))
    scan = place.request("dynamodb:Scan", mailbox)
    yield Danger("use the mailbox row of another instance", (scan,))
    own = place.request("dynamodb:UpdateItem", mailbox).context["aws:userid"]
    for name in ("UpdateItem", "PutItem"):
        keys = {"dynamodb__LeadingKeys": [str(own)], "dynamodb__Attributes": ["key", "assignment"]}
        request = place.request(f"dynamodb:{name}", mailbox, **keys)
        yield Danger("write an assignment", (request,))
    stream = place.request("dynamodb:GetRecords", f"{mailbox}/stream/2026-01-01T00:00:00.000")
    yield Danger("read the stream of the mailbox", (stream,))


def _token(place: Place) -> Iterator[Danger]:
    """Reading the token: by its name; or by a path above it, which names no parameter to IAM.

    With AWS's own key `aws/ssm` the key's policy allows the decryption to everybody who may use
    the parameter, so a path is held by a Deny of kms:Decrypt alone. With a customer's key the
    value can be encrypted again under another key, which a policy of the role must allow.
    """
    effect = "read the Buildkite agent token"
    for name in ("GetParameter", "GetParameters", "GetParameterHistory"):
        yield Danger(effect, (place.request(f"ssm:{name}", place.token),))
    for name in ("PutParameter", "DeleteParameter"):
        request = place.request(f"ssm:{name}", place.token)
        yield Danger("replace the Buildkite agent token", (request,))
    key = place.arn("kms", "key/00000000-0000-0000-0000-000000000000")
    keys = {"kms__EncryptionContext:PARAMETER_ARN": place.token}
    decrypt = place.request("kms:Decrypt", key, **keys)
    again = place.request("kms:ReEncryptFrom", key, **keys)
    above = place.token.split("/")[:-1]
    for depth in range(1, len(above) + 1):
        path = "/".join(above[:depth])
        for resource in (path, f"{path}/"):
            by_path = place.request("ssm:GetParametersByPath", resource, ssm__Recursive="true")
            yield Danger(effect, (by_path,), (decrypt,))
            yield Danger(effect, (by_path, again))


def _instances(place: Place) -> Iterator[tuple[str, Request]]:
    instance = place.arn("ec2", f"instance/{OTHER}")
    keys = {"ec2__InstanceID": OTHER}
    for name in ("Associate", "Disassociate"):
        action = f"ec2:{name}IamInstanceProfile"
        yield "change the profile of an instance", place.tagged(action, instance, **keys)
    replace = "ec2:ReplaceIamInstanceProfileAssociation"
    yield "change the profile of an instance", place.tagged(replace, instance, **keys)
    for action in (
        *("ec2:CreateReplaceRootVolumeTask", "ec2:CreateTags", "ec2:DeleteTags"),
        *("ec2:ModifyInstanceAttribute", "ec2:ModifyInstanceMetadataOptions"),
        *("ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances"),
        *("ec2-instance-connect:SendSSHPublicKey", "ssm:SendCommand", "ssm:StartSession"),
    ):
        yield "act on instances of Mayfly", place.tagged(action, instance, **keys)
    template = place.arn("ec2", "launch-template/lt-0fffffffffffffff0")
    for name in ("CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "DeleteLaunchTemplate"):
        yield "change a launch template of Mayfly", place.tagged(f"ec2:{name}", template)
    own = {"aws__TagKeys": ["mayfly-stack"], "aws__RequestTag/mayfly-stack": place.stack}
    tag = place.request("ec2:CreateTags", instance, **own, **keys)
    yield "give an instance the tags of Mayfly", tag


def _configuration(place: Place) -> Iterator[tuple[str, Request]]:
    queue = f"queues/{place.queue}"
    for name in (
        f"mayfly/{place.stack}/{queue}/policy/rules/main",
        f"mayfly/{place.stack}/{queue}/bootstrap/script",
        f"mayfly-infra/{place.stack}/bundle",
        f"mayfly-infra/{place.stack}/{queue}",
    ):
        for action in ("ssm:PutParameter", "ssm:DeleteParameter"):
            request = place.request(action, place.arn("ssm", f"parameter/{name}"))
            yield "change the configuration of Mayfly", request


def _software(place: Place) -> Iterator[tuple[str, Request]]:
    for function in ("dispatch", "provision", "sandbox", "reap"):
        arn = place.arn("lambda", f"function:{place.stack}-{function}")
        for name in (
            *("AddPermission", "DeleteFunction", "InvokeFunction"),
            *("UpdateFunctionCode", "UpdateFunctionConfiguration"),
        ):
            yield "change or call the functions of Mayfly", place.request(f"lambda:{name}", arn)
    layer = place.arn("lambda", f"layer:{place.stack}-instance")
    for name, arn in (("PublishLayerVersion", layer), ("DeleteLayerVersion", f"{layer}:1")):
        yield "change the layers of Mayfly", place.request(f"lambda:{name}", arn)
    stack = place.arn("cloudformation", f"stack/{place.stack}/{ANY}")
    for name in ("DeleteStack", "UpdateStack"):
        yield "change the stack of Mayfly", place.request(f"cloudformation:{name}", stack)


def _roles(place: Place) -> Iterator[tuple[str, Request]]:
    below = f"role/mayfly/{place.stack}"
    service = {"iam__PassedToService": "ec2.amazonaws.com"}
    for name in (f"bootstrap/{place.queue}/{ANY}", f"sandbox/{place.queue}-other/{ANY}"):
        arn = place.arn("iam", f"{below}/{name}")
        yield "pass the roles of Mayfly", place.request("iam:PassRole", arn, **service)
    for name in (f"functions/{ANY}", f"bootstrap/{place.queue}-other/{ANY}"):
        arn = place.arn("iam", f"{below}/{name}")
        yield "assume the roles of Mayfly", place.request("sts:AssumeRole", arn)


def _script(place: Place) -> Iterator[tuple[str, Request]]:
    if place.script_prefix:
        script = f"arn:{place.partition}:s3:::{place.script_prefix}{ANY}"
        for name in ("PutObject", "DeleteObject", "DeleteObjectVersion"):
            yield "write bootstrap scripts", place.request(f"s3:{name}", script)
