"""Intrinsic functions that moto's CloudFormation gets wrong, done right.

Seen in moto 5.2.5: `Fn::Sub` with a list treats `$$` and `$name` as its own; values that are
`AWS::NoValue` stay in lists as nulls; the default of a list parameter stays one string; templates
are read by the slow, lossy YAML loader even when they are JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack

from mayfly_lab.aws.patches import Patch

_REFERENCE = re.compile(r"\$\{(!?)([^}]*)\}")


def patches() -> list[Patch]:
    """The corrections."""
    stock: Callable[[Any, Any], Any] = parsing.clean_json

    def clean_json(resource_json: Any, resources_map: Any) -> Any:
        if isinstance(resource_json, list):
            cleaned = (clean_json(each, resources_map) for each in resource_json)
            return [each for each in cleaned if each is not None]
        if isinstance(resource_json, dict) and "Fn::Sub" in resource_json:
            return substituted(resource_json["Fn::Sub"], resources_map, clean_json)
        return stock(resource_json, resources_map)

    return [
        Patch(parsing, "clean_json", clean_json, "resource_json, resources_map"),
        Patch(Stack, "parse_template", staticmethod(parse_template), "template"),
    ]


def substituted(argument: Any, resources_map: Any, clean: Callable[[Any, Any], Any]) -> str:
    """The value of an `Fn::Sub`."""
    text, values = argument if isinstance(argument, list) else (argument, {})

    def value(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        if name in values:
            found = clean(values[name], resources_map)
        elif "." in name:
            found = clean({"Fn::GetAtt": name.split(".", 1)}, resources_map)
        else:
            found = clean({"Ref": name}, resources_map)
        return "" if found is None else str(found)

    return _REFERENCE.sub(value, text)


def parse_template(template: str) -> dict[str, Any]:
    """A template from JSON, with the defaults of list parameters as lists."""
    parsed: dict[str, Any] = json.loads(template)
    for parameter in parsed.get("Parameters", {}).values():
        kind, default = parameter["Type"], parameter.get("Default")
        if isinstance(default, str) and (kind == "CommaDelimitedList" or kind.startswith("List<")):
            parameter["Default"] = default.split(",")
    return parsed
