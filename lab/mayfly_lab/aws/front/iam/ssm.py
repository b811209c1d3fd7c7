"""SSM's calls as IAM's requests, with KMS's for the values of SecureStrings.

Sources: service authorization references of SSM and KMS; SSM user guide, "AWS KMS encryption for
AWS Systems Manager Parameter Store SecureString parameters": SSM calls KMS with the caller's
rights, and with the encryption context PARAMETER_ARN.
"""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.ec2.templates import tags_of
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.iam.authorization import known, types
from mayfly_lab.aws.front.iam.facts import OWN_KEY, Facts, Parameter
from mayfly_lab.aws.front.iam.need import (
    OF_ALL,
    Need,
    UnmappedCallError,
    listed,
    request_tags,
    resource_tags,
)

_PARAMETERS = ("Name", "Names", "Path")


def needs(call: Call, facts: Facts) -> Iterator[Need]:
    """What IAM must allow for a call to SSM.

    Raises:
        UnmappedCallError: the call names no resource of a type that its action needs.
    """
    action = f"ssm:{call.operation}"
    kinds = types(action)
    if not known(action):
        raise UnmappedCallError(call, "IAM has no such action")
    found = list(_resources(action, call, facts))
    if not found and any(kinds.values()):
        raise UnmappedCallError(call, "it names no resource")
    yield from found or [Need(action)]
    yield from _decryptions(call, facts)


def _resources(action: str, call: Call, facts: Facts) -> Iterator[Need]:
    given, kinds = call.parameters, types(action)
    if "parameter" in kinds:
        own = _of_request(call)
        for name in listed(given, *_PARAMETERS):
            resource = parameter_arn(facts, name)
            yield Need(
                action, resource, "parameter", {**resource_tags(facts.tags("ssm", resource)), **own}
            )
        if given.get("ResourceType") == "Parameter" and given.get("ResourceId"):
            yield Need(action, parameter_arn(facts, str(given["ResourceId"])), "parameter", own)
    if "instance" in kinds:
        for name in listed(given, "InstanceId", "InstanceIds", "Target"):
            resource = facts.arn("ec2", "instance", name)
            keys = resource_tags(facts.cloud.tags(name), "ssm")
            yield Need(action, resource, "instance", keys)
        if given.get("Targets"):
            yield Need(action, facts.arn("ec2", "instance"), "instance")
    if "document" in kinds:
        for name in listed(given, "DocumentName", "Name"):
            yield Need(action, facts.arn("ssm", "document", name), "document")


def _of_request(call: Call) -> dict[str, Values]:
    given = call.parameters
    match call.operation:
        case "PutParameter":
            return {
                **request_tags(tags_of(given.get("Tags"))),
                "ssm:Overwrite": str(bool(given.get("Overwrite"))).lower(),
            }
        case "GetParametersByPath":
            return {"ssm:Recursive": str(bool(given.get("Recursive"))).lower()}
        case "AddTagsToResource":
            return request_tags(tags_of(given.get("Tags")))
        case "RemoveTagsFromResource":
            return {"aws:TagKeys": list(given.get("TagKeys") or ())}
        case _:
            return {}


def _decryptions(call: Call, facts: Facts) -> Iterator[Need]:
    given = call.parameters
    if call.operation == "PutParameter" and given.get("Type") == "SecureString":
        secret = Parameter(str(given["Name"]), True, str(given.get("KeyId") or OWN_KEY))
        yield _of_key("kms:GenerateDataKey" if _advanced(call) else "kms:Encrypt", secret, facts)
        return
    if not given.get("WithDecryption"):
        return
    if call.operation == "GetParametersByPath":
        path, recursive = str(given.get("Path")), bool(given.get("Recursive"))
        secrets = list(facts.parameters(path, recursive=recursive))
    else:
        names = (path_of(name) for name in listed(given, "Name", "Names"))
        secrets = [each for name in names for each in facts.parameter(name)]
    yield from (_of_key("kms:Decrypt", each, facts) for each in secrets if each.secure)


def _advanced(call: Call) -> bool:
    """Whether a value is encrypted with a data key, as in the advanced tier."""
    return str(call.parameters.get("Tier")) in {"Advanced", "Intelligent-Tiering"}


def _of_key(action: str, secret: Parameter, facts: Facts) -> Need:
    key = facts.key(secret.key)
    name = "kms:EncryptionContext:PARAMETER_ARN"
    return Need(
        action,
        key,
        "key",
        {
            **resource_tags(facts.tags("kms", key)),
            name: parameter_arn(facts, secret.name),
            "kms:EncryptionContextKeys": ["PARAMETER_ARN"],
            "kms:ViaService": f"ssm.{facts.region}.amazonaws.com",
            "aws:CalledVia": ["ssm.amazonaws.com"],
            "aws:ViaAWSService": "true",
        },
    )


def parameter_arn(facts: Facts, name: str) -> str:
    """The ARN of a parameter by its name, path or ARN."""
    return facts.arn("ssm", "parameter", path_of(name).lstrip("/"))


def path_of(name: str) -> str:
    """The name of a parameter without ARN, version and label."""
    path = name.rpartition(":parameter")[2] if name.startswith("arn:") else name
    return path.partition(":")[0].rstrip("/") or OF_ALL
