"""Corrects intrinsic functions of moto's CloudFormation.

Seen in moto 5.2.5: `Fn::Sub` with a list replaces `$$` and `$name`, too; an `AWS::NoValue` stays in
lists as null; the default of a list parameter stays one string; JSON templates are read by the
slow, lossy YAML loader.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack

from mayfly_cli.templates.reading import is_list
from mayfly_cli.templates.resolution import substituted
from mayfly_lab.aws.patches import Patch


def patches() -> list[Patch]:
    """Patches with these corrections."""
    stock: Callable[[Any, Any], Any] = parsing.clean_json

    def clean_json(resource_json: Any, resources_map: Any) -> Any:
        if isinstance(resource_json, list):
            cleaned = (clean_json(each, resources_map) for each in resource_json)
            return [each for each in cleaned if each is not None]
        if isinstance(resource_json, dict) and "Fn::Sub" in resource_json:
            return substituted(
                resource_json["Fn::Sub"], lambda value: clean_json(value, resources_map)
            )
        return stock(resource_json, resources_map)

    return [
        Patch(parsing, "clean_json", clean_json, "resource_json, resources_map"),
        Patch(Stack, "parse_template", staticmethod(parse_template), "template"),
    ]


def parse_template(template: str) -> dict[str, Any]:
    """Parse a JSON template. Defaults of list parameters become lists."""
    parsed: dict[str, Any] = json.loads(template)
    for parameter in parsed.get("Parameters", {}).values():
        kind, default = parameter["Type"], parameter.get("Default")
        if isinstance(default, str) and is_list(kind):
            parameter["Default"] = default.split(",")
    return parsed
