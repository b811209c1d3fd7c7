"""What IAM must allow for a call: an action on one resource of one type, with condition keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.front.call import Call

OF_ALL = "*"
"""The resource of an action without a resource type."""


class UnmappedCallError(Exception):
    """The lab does not know which requests IAM would see for a call."""

    def __init__(self, call: Call, why: str) -> None:
        super().__init__(f"no mapping to IAM's requests for {call.action}: {why}")


@dataclass(frozen=True, slots=True)
class Need:
    """One action on one resource."""

    action: str
    resource: str = OF_ALL
    kind: str = ""
    """The resource type by the service authorization reference; empty for none."""
    context: Mapping[str, Values] = field(default_factory=dict)
    """Condition keys of the request and its resource; the caller's own are not here."""


def resource_tags(tags: Mapping[str, str], *prefixes: str) -> dict[str, Values]:
    """The condition keys of a resource's tags: `aws:ResourceTag/…`, and with further prefixes."""
    return {
        f"{prefix}:ResourceTag/{key}": value
        for prefix in ("aws", *prefixes)
        for key, value in tags.items()
    }


def request_tags(tags: Mapping[str, str]) -> dict[str, Values]:
    """The condition keys of tags that a request sets; none without tags."""
    keys: dict[str, Values] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**keys, "aws:TagKeys": list(tags)} if tags else {}


def passed_role(role: str, service: str) -> Need:
    """iam:PassRole for a role, by its ARN, that a call gives to a service such as `ec2`."""
    return Need("iam:PassRole", role, "role", {"iam:PassedToService": f"{service}.amazonaws.com"})


def listed(given: Mapping[str, Any], *names: str) -> Iterator[str]:
    """The values of a call's parameters with these names, single or listed."""
    for name in names:
        value = given.get(name) or ()
        yield from ([value] if isinstance(value, str) else map(str, value))
