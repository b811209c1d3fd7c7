"""The service authorization reference: resource types and condition keys of every action.

The data is an extract that `build.authorization` writes and a test holds current.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.config import ACCOUNT

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_FIXED = {"Partition": "aws", "Account": ACCOUNT}
_OF_TAGS = ("aws:resourcetag/", "aws:requesttag/", "aws:tagkeys")
"""Keys with the prefix of global keys that only certain actions have."""
_OF_CALLERS = frozenset({"ec2:roledelivery", "ec2:sourceinstancearn", "lambda:sourcefunctionarn"})
"""Keys of services that describe the caller: they come with requests to every service.

Sources: EC2 user guide, "Identity-based policies for Amazon EC2"; Lambda developer guide, "Using
source function ARN to control function access behavior".
"""


def known(action: str) -> bool:
    """Whether the reference has the action, spelled as in the reference."""
    return action in _data()["actions"]


@cache
def types(action: str) -> Mapping[str, bool]:
    """The resource types of an action, and whether each is required; empty for an unknown one."""
    found = _data()["actions"].get(action, {})
    return {kind.rstrip("*"): kind.endswith("*") for kind in found if kind}


def arn(region: str, service: str, kind: str, *names: str) -> str:
    """The ARN of a resource: `names` fill the variables of the type's pattern in order.

    Raises:
        KeyError: the service has no such type.
    """
    left = iter(names)

    def filled(match: re.Match[str]) -> str:
        return region if match[1] == "Region" else _FIXED.get(match[1]) or next(left, "*")

    pattern: str = _data()["resources"][service][kind][0]
    return _VARIABLE.sub(filled, pattern)


def kept(action: str, kind: str, context: Mapping[str, Values]) -> dict[str, Values]:
    """The condition keys of a request that IAM would supply: other keys are dropped."""
    return {key: value for key, value in context.items() if has_key(action, kind, key)}


@cache
def has_key(action: str, kind: str, key: str) -> bool:
    """Whether requests of an action on a resource type have a condition key.

    Global keys are on every request, except the keys of tags.
    """
    name = key.lower()
    if name in _OF_CALLERS or (name.startswith("aws:") and not name.startswith(_OF_TAGS)):
        return True
    return any(
        name.startswith(listed[:-1]) if listed.endswith("*") else name == listed
        for listed in _keys(action, kind)
    )


@cache
def _keys(action: str, kind: str) -> frozenset[str]:
    """Condition keys in lower case; `*` ends a name with a variable part."""
    data = _data()
    service = action.partition(":")[0]
    of_action = data["actions"].get(action, {})
    numbers = [of_action[each] for each in (kind, f"{kind}*", "") if each in of_action]
    # EC2's resource types list the keys of all actions on them; an action has only its own.
    if service != "ec2" and kind in data["resources"][service]:
        numbers.append(data["resources"][service][kind][1])
    return frozenset(_spelled(key) for number in numbers for key in data["keys"][str(number)])


def _spelled(key: str) -> str:
    """A key in lower case; variable parts such as `${TagKey}` and `<key>` become one `*`."""
    return re.sub(r"[$<].*", "*", key.lower())


@cache
def _data() -> Mapping[str, Any]:
    text = files(__package__).joinpath("authorization.json").read_text(encoding="utf-8")
    data: Mapping[str, Any] = json.loads(text)
    return data
