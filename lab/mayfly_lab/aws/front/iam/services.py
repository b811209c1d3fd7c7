"""Calls to services whose calls name a resource in one parameter, as IAM's requests.

Sources: the services' service authorization references; for KMS, "AWS KMS condition keys"; for
Logs, the messages of CloudWatch Logs, which name a group with an empty stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.ec2.templates import tags_of
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.iam.authorization import known, types
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.need import (
    OF_ALL,
    Need,
    UnmappedCallError,
    listed,
    passed_role,
    request_tags,
    resource_tags,
)

Given = Mapping[str, Any]
Resources = Iterator[tuple[str, str]]
"""Resource types and ARNs."""

_PREFIXES = {"monitoring": "cloudwatch"}
"""The prefix of actions, where it differs from the name that signs requests."""
_LISTING = ("Describe", "List")
"""Beginnings of operations that are about every resource when they name none."""
_ACTIONS = {
    "lambda:GetLayerVersionByArn": "lambda:GetLayerVersion",
    "lambda:Invoke": "lambda:InvokeFunction",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
"""Actions of operations with another name."""
_PASSED = {"cloudformation": "RoleARN", "lambda": "Role"}
"""By service: the parameter that names a role which the service will assume."""


def needs(call: Call, facts: Facts) -> Iterator[Need]:
    """What IAM must allow for a call to one of these services.

    Raises:
        UnmappedCallError: the lab does not know the service or action, or the call names no
            resource of a type that its action needs.
    """
    if call.action == "sts:AssumeRole" and session_tags(call):
        yield from _tagging(call, facts)
    if call.action == "kms:ReEncrypt":
        yield from _re_encryption(call.parameters, facts)
        return
    service = _PREFIXES.get(call.service, call.service)
    action = f"{service}:{call.operation}"
    action = _ACTIONS.get(action, action)
    reader = _READERS.get(service)
    if reader is None or not known(action):
        raise UnmappedCallError(call, "the lab does not know the service or action")
    kinds = types(action)
    own = _of_request(service, call, facts)
    found = [each for each in reader(call.parameters, facts) if each[0] in kinds]
    for kind, resource in found:
        prefixes = ("iam",) if service in {"iam", "sts"} else ()
        tags = resource_tags(facts.tags(service, resource), *prefixes)
        yield Need(action, resource, kind, {**tags, **own})
    needed = [kind for kind, required in kinds.items() if required]
    if not found and needed and call.operation.startswith(_LISTING):
        yield Need(action, facts.arn(service, needed[0]), needed[0], own)
    elif not found and needed:
        raise UnmappedCallError(call, "it names no resource")
    elif not found:
        yield Need(action, context=own)
    if call.action == "iam:AddRoleToInstanceProfile":
        role = facts.iam("role", str(call.parameters.get("RoleName")))
        yield passed_role(role, "ec2")
    if (parameter := _PASSED.get(service)) and (role := str(call.parameters.get(parameter) or "")):
        yield passed_role(role, service)


def session_tags(call: Call) -> dict[str, str]:
    """The tags that a caller of sts:AssumeRole passes, and those that its own session hands on."""
    inherited = {} if call.by is None else dict(call.by.tags)
    kept = frozenset() if call.by is None else call.by.transitive
    passed = {str(tag["Key"]): str(tag["Value"]) for tag in call.parameters.get("Tags") or ()}
    return {**{key: inherited[key] for key in kept}, **passed}


def _tagging(call: Call, facts: Facts) -> Iterator[Need]:
    """Tags need a right of their own. Source: IAM user guide, "Pass session tags in AWS STS"."""
    role = str(call.parameters.get("RoleArn"))
    own = resource_tags(facts.tags("sts", role), "iam")
    yield Need("sts:TagSession", role, "role", {**own, **_of_request("sts", call, facts)})


def _cloudformation(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "StackName"):
        yield "stack", facts.stack(name)


def _cloudwatch(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "AlarmName", "AlarmNames"):
        yield "alarm", facts.arn("cloudwatch", "alarm", name)
    for name in listed(given, "DashboardName", "DashboardNames"):
        yield "dashboard", facts.arn("cloudwatch", "dashboard", name)


def _connect(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "InstanceId"):
        yield "instance", facts.arn("ec2", "instance", name)


def _events(given: Given, facts: Facts) -> Resources:
    bus = str(given.get("EventBusName") or "default").rpartition("/")[2]
    for name in listed(given, "Name", "Rule"):
        yield (
            "rule-on-default-event-bus",
            facts.arn("events", "rule-on-default-event-bus", name),
        )
    yield "event-bus", facts.arn("events", "event-bus", bus)


def _iam(given: Given, facts: Facts) -> Resources:
    path = str(given.get("Path") or "/")
    for kind, parameter in (
        ("role", "RoleName"),
        ("instance-profile", "InstanceProfileName"),
        ("user", "UserName"),
        ("group", "GroupName"),
    ):
        for name in listed(given, parameter):
            resource = facts.iam(kind, name)
            if "Path" in given:  # the resource is about to be made
                resource = resource.rpartition(f":{kind}/")[0] + f":{kind}{path}{name}"
            yield kind, resource
    for name in listed(given, "PolicyArn"):
        yield "policy", name
    for name in listed(given, "PolicyName"):
        yield "policy", facts.arn("iam", "policy", f"{path}{name}".lstrip("/"))


def _kms(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId"):
        yield "key", facts.key(name)
    for name in listed(given, "AliasName"):
        yield "alias", facts.arn("kms", "alias", name.removeprefix("alias/"))


def _re_encryption(given: Given, facts: Facts) -> Iterator[Need]:
    """ReEncrypt is two requests: from the key of the ciphertext, and to another or the same key."""
    for action, named, context in (
        ("kms:ReEncryptFrom", "SourceKeyId", "SourceEncryptionContext"),
        ("kms:ReEncryptTo", "DestinationKeyId", "DestinationEncryptionContext"),
    ):
        key = facts.key(str(given.get(named) or OF_ALL))
        same = str(given.get("SourceKeyId") == given.get("DestinationKeyId")).lower()
        own = {"kms:ReEncryptOnSameKey": same, **_encryption_context(given.get(context) or {})}
        yield Need(action, key, "key", {**resource_tags(facts.tags("kms", key)), **own})


def _encryption_context(context: Given) -> dict[str, Values]:
    keys: dict[str, Values] = {
        f"kms:EncryptionContext:{key}": str(value) for key, value in context.items()
    }
    return {**keys, "kms:EncryptionContextKeys": list(context)} if context else {}


def _lambda(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "FunctionName", "Resource"):
        named = name.partition(":function:")[2] or name.rpartition(":function:")[2]
        yield "function", facts.arn("lambda", "function", named.partition(":")[0])
    for name in listed(given, "LayerName"):
        layer = name.partition(":layer:")[2] or name
        yield "layer", facts.arn("lambda", "layer", layer)
        if given.get("VersionNumber") is not None:
            number = str(given["VersionNumber"])
            yield "layerVersion", facts.arn("lambda", "layerVersion", layer, number)
    for name in listed(given, "Arn"):
        yield "layerVersion", name
    for name in listed(given, "UUID"):
        yield "eventSourceMapping", facts.arn("lambda", "eventSourceMapping", name)


def _logs(given: Given, facts: Facts) -> Resources:
    names = ("logGroupName", "logGroupNames", "logGroupIdentifier", "logGroupIdentifiers")
    for name in listed(given, *names):
        group = name.partition(":log-group:")[2].removesuffix(":*") or name
        yield "log-group", facts.arn("logs", "log-stream", group, "")
        stream = str(given.get("logStreamName") or "")
        yield "log-stream", facts.arn("logs", "log-stream", group, stream)
    if given.get("queryId") or given.get("logRecordPointer"):
        # The call does not tell the group, so the caller needs the right for every one.
        yield "log-group", facts.arn("logs", "log-stream", OF_ALL, "")


def _secrets(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "SecretId"):
        own = name if name.startswith("arn:") else facts.arn("secretsmanager", "Secret", name)
        yield "Secret", own


def _sns(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "TopicArn"):
        yield "topic", name
    for name in listed(given, "Name"):
        yield "topic", facts.arn("sns", "topic", name)


def _sqs(given: Given, facts: Facts) -> Resources:
    for name in listed(given, "QueueUrl", "QueueName"):
        yield "queue", facts.arn("sqs", "queue", name.rpartition("/")[2])


def _sts(given: Given, _: Facts) -> Resources:
    for name in listed(given, "RoleArn"):
        yield "role", name


def _without(_: Given, __: Facts) -> Resources:
    """Prices, and quotas that are read, have no resources."""
    yield from ()


_READERS: Mapping[str, Callable[[Given, Facts], Resources]] = {
    "cloudformation": _cloudformation,
    "cloudwatch": _cloudwatch,
    "ec2-instance-connect": _connect,
    "events": _events,
    "iam": _iam,
    "kms": _kms,
    "lambda": _lambda,
    "logs": _logs,
    "pricing": _without,
    "secretsmanager": _secrets,
    "servicequotas": _without,
    "sns": _sns,
    "sqs": _sqs,
    "sts": _sts,
}


def _of_request(service: str, call: Call, facts: Facts) -> dict[str, Values]:
    """The condition keys that a request's own parameters give."""
    given = call.parameters
    match service:
        case "lambda" if call.operation.endswith("EventSourceMapping"):
            return {"lambda:FunctionArn": _mapped(given, facts)}
        case "sts":
            keys = _copied(
                given, RoleSessionName="sts:RoleSessionName", ExternalId="sts:ExternalId"
            )
            if transitive := list(map(str, given.get("TransitiveTagKeys") or ())):
                keys["sts:TransitiveTagKeys"] = transitive
            return {**keys, **request_tags(session_tags(call))}
        case "kms":
            return _encryption_context(given.get("EncryptionContext") or {})
        case "cloudwatch":
            return _copied(given, Namespace="cloudwatch:namespace")
        case "iam":
            return _copied(
                given, PermissionsBoundary="iam:PermissionsBoundary", PolicyArn="iam:PolicyARN"
            )
        case _:
            tags = given.get("Tags") or {}
            if isinstance(tags, Mapping):
                return request_tags({str(key): str(value) for key, value in tags.items()})
            return request_tags(tags_of(tag for tag in tags if "Key" in tag))


def _copied(given: Given, **keys: str) -> dict[str, Values]:
    """Condition keys, by name of the parameter, with the values of the parameters."""
    return {key: str(given[name]) for name, key in keys.items() if given.get(name)}


def _mapped(given: Given, facts: Facts) -> str:
    """The function of an event source mapping, which exists or is about to be made."""
    name = str(given.get("FunctionName") or facts.function_of(str(given.get("UUID") or "")))
    return facts.arn("lambda", "function", name.rpartition(":function:")[2])
