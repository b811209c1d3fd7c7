"""Turns a principal's call into the requests that IAM decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.iam import dynamodb, ec2, s3, services, ssm
from mayfly_lab.aws.front.iam.authorization import kept
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.need import Need

_BY_SERVICE: Mapping[str, Callable[[Call, Facts], Iterator[Need]]] = {
    "dynamodb": dynamodb.needs,
    "ec2": ec2.needs,
    "s3": s3.needs,
    "ssm": ssm.needs,
}


def needs_of(call: Call, facts: Facts) -> Iterable[Need]:
    """What IAM must allow for a call; each need has only the keys that its action has.

    Raises:
        UnmappedCallError: the lab does not know what IAM would see.
    """
    for need in _BY_SERVICE.get(call.service, services.needs)(call, facts):
        yield trimmed(need)


def trimmed(need: Need) -> Need:
    """The need with only the condition keys that its action has on its resource type."""
    context = kept(need.action, need.kind, need.context)
    return Need(need.action, need.resource, need.kind, context)
