"""What no role of a queue may be able to do, as requests that its policies are asked about.

Two kinds. The effects of `unheld` reach roles and code on which no Deny of Mayfly lies, so no
Deny can hold them: the operator's policies must not give them. The effects of `protected` touch
what the Denies of stacks/queue.yaml protect: only a role without these Denies can have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mayfly.iam.evaluation import Request
from mayfly.iam.place import ANY, OTHER, OTHER_ROW, Place
from mayfly_protocol.rows import notice_row, start_row


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


@dataclass(frozen=True, slots=True)
class Named:
    """What the Allows of a role name, as written: more requests to ask about."""

    resources: tuple[str, ...]
    rows: tuple[str, ...]
    """Wanted values of `dynamodb:LeadingKeys`."""


def unheld(place: Place, named: Named) -> Iterator[Danger]:
    """Effects that no Deny of Mayfly can hold.

    A role that is named, or has a part of its name before a wildcard, is its operator's choice for
    AssumeRole and PassRole: such a role has been made for this. No writing of IAM is: who may write
    even one role can give that role every right.
    """
    for kind, actions in _IAM_WRITES.items():
        area = Area("write IAM", "iam", f"{kind}/", actions, (ANY,))
        for request in area.requests(place, named):
            yield Danger(area.effect, (request,))
    role = place.arn("iam", f"role/{ANY}")
    yield Danger("assume any role of the account", (place.request("sts:AssumeRole", role),))
    for service in SERVICES:
        request = place.request(
            "iam:PassRole", role, iam__PassedToService=f"{service}.amazonaws.com"
        )
        yield Danger("pass any role of the account to a service", (request,))


def protected(place: Place, named: Named) -> Iterator[Danger]:
    """Effects on what Mayfly protects, which stacks/queue.yaml denies to both roles of a queue."""
    yield from _tables(place, named)
    yield from _token(place)
    for effect, request in _instances(place):
        yield Danger(effect, (request,))
    for area in _areas(place):
        for request in area.requests(place, named):
            yield Danger(area.effect, (request,))


@dataclass(frozen=True, slots=True)
class Area:
    """Resources whose name begins alike, and actions that no role of a queue may take on them."""

    effect: str
    service: str
    prefix: str
    """Beginning of the resource in its ARN, after the account."""
    actions: tuple[str, ...]
    examples: tuple[str, ...]
    """Names in the area, without the prefix."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Further condition keys of the requests."""
    by: str = ""
    """The service of the actions, where it is not that of the resources."""

    def requests(self, place: Place, named: Named) -> Iterator[Request]:
        """A request for each action, on the examples and on what the role's policies name."""
        resources = [f"{self.prefix}{example}" for example in self.examples]
        resources += [each for each in map(self._filled, named.resources) if each]
        for resource in dict.fromkeys(resources):
            arn = place.arn(self.service, resource)
            for action in self.actions:
                yield place.request(f"{self.by or self.service}:{action}", arn, **self.keys)

    def _filled(self, pattern: str) -> str:
        """A resource that the pattern means, if it lies in the area; else empty."""
        parts = pattern.split(":", 5)
        if len(parts) < 6 or parts[2] != self.service:
            return ""
        resource = _filled(parts[5])
        return resource if resource.startswith(self.prefix) else ""


def _filled(pattern: str) -> str:
    return re.sub(r"\$\{[^}]*\}|[*?]", "x", pattern)


def _tables(place: Place, named: Named) -> Iterator[Danger]:
    fleet = place.arn("dynamodb", f"table/{place.stack}-fleet")
    mailbox = place.arn("dynamodb", f"table/{place.stack}-mailbox")
    # A role may read none of Fleet's rows, so the row is left open.
    for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "Scan"):
        yield Danger("use the Fleet table", (place.request(f"dynamodb:{name}", fleet),))
    for index in ("open", "closed"):
        query = place.request("dynamodb:Query", f"{fleet}/index/{index}")
        yield Danger("use the Fleet table", (query,))
    own = place.row
    rows = dict.fromkeys(_filled(row.replace("${aws:userid}", own)) for row in named.rows)
    others = [row for row in rows if row not in {own, notice_row(own), start_row(own)}]
    for row in (OTHER_ROW, *others):
        for name in (
            *("GetItem", "BatchGetItem", "Query", "PartiQLSelect", "UpdateItem", "PutItem"),
            *("DeleteItem", "BatchWriteItem", "PartiQLUpdate", "PartiQLInsert", "PartiQLDelete"),
        ):
            keys = {"dynamodb__LeadingKeys": [row], "dynamodb__Attributes": ["key", "report"]}
            request = place.request(f"dynamodb:{name}", mailbox, **keys)
            yield Danger("use the mailbox row of another instance", (request,))
    scan = place.request("dynamodb:Scan", mailbox)
    yield Danger("use the mailbox row of another instance", (scan,))
    for name in ("UpdateItem", "PutItem"):
        for attributes in (["assignment"], ["key", "assignment"]):
            keys = {"dynamodb__LeadingKeys": [own], "dynamodb__Attributes": attributes}
            request = place.request(f"dynamodb:{name}", mailbox, **keys)
            yield Danger("write an assignment", (request,))
    stream = place.request("dynamodb:GetRecords", f"{mailbox}/stream/2026-01-01T00:00:00.000")
    yield Danger("read the stream of the mailbox", (stream,))


def _token(place: Place) -> Iterator[Danger]:
    """Reading the token, by its name or by a path above it, and replacing it."""
    effect = "read the Buildkite agent token"
    for name in ("GetParameter", "GetParameters", "GetParameterHistory"):
        yield Danger(effect, (place.request(f"ssm:{name}", place.token),))
    for name in ("PutParameter", "DeleteParameter"):
        request = place.request(f"ssm:{name}", place.token)
        yield Danger("replace the Buildkite agent token", (request,))
    yield from _by_path(place, place.token, effect)


def secrets(place: Place) -> Iterator[Danger]:
    """Reading the secrets of the queue's jobs, which stacks/queue.yaml denies to set-up.

    By their names, or by their folder or one above it: then the decryption is what a Deny holds.
    """
    if not place.secrets_path:
        return
    effect = "read the secrets of the queue's jobs"
    secret = place.arn("ssm", f"parameter{place.secrets_path}/{ANY}/env/{ANY}")
    for name in ("GetParameter", "GetParameters", "GetParameterHistory"):
        yield Danger(effect, (place.request(f"ssm:{name}", secret),))
    yield from _by_path(place, secret, effect)


def _by_path(place: Place, parameter: str, effect: str) -> Iterator[Danger]:
    """Reading a parameter by a path above it, which names no parameter to IAM.

    With AWS's own key `aws/ssm` the key's policy allows the decryption to everybody who may use
    the parameter, so a path is held by a Deny of kms:Decrypt alone. With a customer's key the
    value can be encrypted again under another key, which a policy of the role must allow.
    """
    key = place.arn("kms", "key/00000000-0000-0000-0000-000000000000")
    keys = {"kms__EncryptionContext:PARAMETER_ARN": parameter}
    decrypt = place.request("kms:Decrypt", key, **keys)
    again = place.request("kms:ReEncryptFrom", key, **keys)
    above = parameter.split("/")[:-1]
    for depth in range(1, len(above) + 1):
        path = "/".join(above[:depth])
        for resource in (path, f"{path}/"):
            by_path = place.request("ssm:GetParametersByPath", resource, ssm__Recursive="true")
            yield Danger(effect, (by_path,), (decrypt,))
            yield Danger(effect, (by_path, again))


def _instances(place: Place) -> Iterator[tuple[str, Request]]:
    """Requests about instances of the role's own queue, and of another one."""
    instance = place.arn("ec2", f"instance/{OTHER}")
    template = place.arn("ec2", "launch-template/lt-0fffffffffffffff0")
    keys = {"ec2__InstanceID": OTHER}
    for queue in (place.queue, f"{place.queue}-other"):
        for name in (
            *("AssociateIamInstanceProfile", "DisassociateIamInstanceProfile"),
            "ReplaceIamInstanceProfileAssociation",
        ):
            request = place.tagged(f"ec2:{name}", instance, queue, **keys)
            yield "change the profile of an instance", request
        for action in (
            *("ec2:CreateReplaceRootVolumeTask", "ec2:CreateTags", "ec2:DeleteTags"),
            *("ec2:ModifyInstanceAttribute", "ec2:ModifyInstanceMetadataOptions"),
            *("ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances"),
            *("ec2-instance-connect:SendSSHPublicKey", "ssm:SendCommand", "ssm:StartSession"),
        ):
            request = place.tagged(action, instance, queue, **keys)
            yield "act on instances of Mayfly", request
        for name in ("CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "DeleteLaunchTemplate"):
            request = place.tagged(f"ec2:{name}", template, queue)
            yield "change a launch template of Mayfly", request
    own = {"aws__TagKeys": ["mayfly-stack"], "aws__RequestTag/mayfly-stack": place.stack}
    tag = place.request("ec2:CreateTags", instance, **own, **keys)
    yield "give an instance the tags of Mayfly", tag


def _areas(place: Place) -> Iterator[Area]:
    stack, queue = place.stack, f"queues/{place.queue}"
    change = ("DeleteParameter", "PutParameter")
    effect = "change the configuration of Mayfly"
    examples = (f"{queue}/policy/rules/main", f"{queue}/bootstrap/script")
    yield Area(effect, "ssm", f"parameter/mayfly/{stack}/", change, examples)
    yield Area(effect, "ssm", f"parameter/mayfly-infra/{stack}/", change, ("bundle", queue))
    call = (
        *("AddPermission", "DeleteFunction", "InvokeFunction"),
        *("UpdateFunctionCode", "UpdateFunctionConfiguration"),
    )
    effect = "change or call the functions of Mayfly"
    functions = ("dispatch", "provision", "sandbox", "reap")
    yield Area(effect, "lambda", f"function:{stack}-", call, functions)
    layer = ("AddLayerVersionPermission", "DeleteLayerVersion", "PublishLayerVersion")
    effect = "change the layers of Mayfly"
    yield Area(effect, "lambda", f"layer:{stack}-", layer, ("instance", "instance:1"))
    update = ("DeleteStack", "UpdateStack")
    effect = "change the stack of Mayfly"
    yield Area(effect, "cloudformation", f"stack/{stack}/", update, (ANY,))
    roles, service = f"role/mayfly/{stack}/", {"iam__PassedToService": "ec2.amazonaws.com"}
    passed = (f"bootstrap/{place.queue}/{ANY}", f"sandbox/{place.queue}-other/{ANY}")
    yield Area("pass the roles of Mayfly", "iam", roles, ("PassRole",), passed, service)
    assumed = (f"functions/{ANY}", f"bootstrap/{place.queue}-other/{ANY}")
    yield Area("assume the roles of Mayfly", "iam", roles, ("AssumeRole",), assumed, by="sts")
    if place.script_prefix:
        write = ("DeleteObject", "DeleteObjectVersion", "PutObject")
        yield Area("write bootstrap scripts", "s3", place.script_prefix, write, (ANY,))
