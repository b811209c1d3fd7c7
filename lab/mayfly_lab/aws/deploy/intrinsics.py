"""Corrects intrinsic functions of moto's CloudFormation.

Seen in moto 5.2.5: `Fn::Sub` with a list replaces `$$` and `$name`, too; an `AWS::NoValue` stays in
lists as null; the default of a list parameter stays one string; JSON templates are read by the
slow, lossy YAML loader; dynamic references stay text; DescribeStacks shows a list parameter as
Python's text of the list, and the image's id in place of the SSM parameter that names the image.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.backends import get_backend
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Stack

from mayfly_cli.templates.reading import is_list
from mayfly_cli.templates.resolution import referenced, substituted
from mayfly_lab.aws.patches import Patch


def patches() -> list[Patch]:
    """Patches with these corrections."""
    stock: Callable[[Any, Any], Any] = parsing.clean_json

    def clean_json(resource_json: Any, resources_map: Any) -> Any:
        if isinstance(resource_json, list):
            cleaned = (clean_json(each, resources_map) for each in resource_json)
            return [each for each in cleaned if each is not None]
        if isinstance(resource_json, str):
            return referenced(resource_json, lambda name: stored(name, resources_map))
        if isinstance(resource_json, dict) and "Fn::Sub" in resource_json:
            text = substituted(
                resource_json["Fn::Sub"], lambda value: clean_json(value, resources_map)
            )
            return clean_json(text, resources_map)
        return stock(resource_json, resources_map)

    return [
        Patch(parsing, "clean_json", clean_json, "resource_json, resources_map"),
        Patch(Stack, "parse_template", staticmethod(parse_template), "template"),
        Patch(Stack, "parameter_list", property(parameter_list), "self"),
    ]


def parameter_list(self: Stack) -> list[dict[str, Any]]:
    """The parameters of a stack as DescribeStacks shows them: texts, defaults included."""
    slots = self.resource_map._template.get("Parameters", {})  # noqa: SLF001 - moto has no other way
    given = self.resource_map.input_parameters
    shown = []
    for name, value in self.resource_map.resolved_parameters.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        entry = {"ParameterKey": name, "ParameterValue": text}
        if slots[name]["Type"].startswith("AWS::SSM::Parameter::"):
            entry |= {
                "ParameterValue": given.get(name, slots[name].get("Default")),
                "ResolvedValue": text,
            }
        shown.append(entry)
    return shown


def stored(name: str, resources_map: Any) -> str:
    """The value of an SSM parameter in the stack's account and region, for a dynamic reference.

    Raises:
        ValidationError: there is no such parameter, or it is a SecureString.
    """
    account, region = resources_map["AWS::AccountId"], resources_map["AWS::Region"]
    found = get_backend("ssm")[account][region].get_parameter(name)
    if found is None or found.parameter_type == "SecureString":
        raise ValidationError(message=f"Parameters: [ssm:{name}] cannot be found.")
    return str(found.value)


def parse_template(template: str) -> dict[str, Any]:
    """Parse a JSON template. Defaults of list parameters become lists."""
    parsed: dict[str, Any] = json.loads(template)
    for parameter in parsed.get("Parameters", {}).values():
        kind, default = parameter["Type"], parameter.get("Default")
        if isinstance(default, str) and is_list(kind):
            parameter["Default"] = default.split(",")
    return parsed
