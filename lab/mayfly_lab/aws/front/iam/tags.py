"""Reads the tags of resources out of moto's backends, by service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mayfly_lab.aws.cloud import Cloud

Tags = Mapping[str, str]


def _ec2(cloud: Cloud, arn: str) -> Tags:
    return cloud.tags(arn.rpartition("/")[2])


def _ssm(cloud: Cloud, arn: str) -> Tags:
    if ":parameter/" not in arn:
        return _ec2(cloud, arn)  # SSM names instances, too
    path = arn.partition(":parameter")[2]
    # moto's listing raises for a parameter without tags.
    tags = cloud.backend("ssm")._resource_tags["Parameter"]  # noqa: SLF001
    return dict(tags.get(path) or tags.get(path.removeprefix("/")) or {})


def _dynamodb(cloud: Cloud, arn: str) -> Tags:
    backend = cloud.backend("dynamodb")
    name = arn.rpartition("/")[2]
    return _pairs(backend.list_tags_of_resource(arn)) if name in backend.tables else {}


def _sqs(cloud: Cloud, arn: str) -> Tags:
    queue = cloud.backend("sqs").queues.get(arn.rpartition(":")[2])
    return {} if queue is None else dict(queue.tags or {})


def _kms(cloud: Cloud, arn: str) -> Tags:
    tagger = cloud.backend("kms").tagger
    return _pairs(tagger.list_tags_for_resource(arn.rpartition("/")[2]).get("Tags"))


def _lambda(cloud: Cloud, arn: str) -> Tags:
    for function in cloud.backend("lambda").list_functions():
        if function.function_arn == arn:
            return dict(function.tags or {})
    return {}


def _iam(cloud: Cloud, arn: str) -> Tags:
    role = cloud.role_of_arn(arn)
    return {} if role is None else _pairs(role.tags)


READERS: Mapping[str, Callable[[Cloud, str], Tags]] = {
    "dynamodb": _dynamodb,
    "ec2": _ec2,
    "ec2-instance-connect": _ec2,
    "iam": _iam,
    "kms": _kms,
    "lambda": _lambda,
    "sqs": _sqs,
    "ssm": _ssm,
    "sts": _iam,
}


def _pairs(tags: Any) -> Tags:
    """Tags in AWS's form as a mapping; the spelling of the names differs by service."""
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    return {
        str(tag.get("Key", tag.get("TagKey"))): str(tag.get("Value", tag.get("TagValue")))
        for tag in tags or ()
    }
