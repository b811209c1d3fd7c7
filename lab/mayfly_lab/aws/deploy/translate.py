"""From a SAM template to a plain CloudFormation template, as `sam build && sam package` do.

The result is handed to moto as JSON: its YAML reader misreads the short form `!Condition`.
"""

from __future__ import annotations

import copy
import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ARTIFACTS = "mayfly-lab-artifacts"
"""The bucket that `sam deploy` would use."""
_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_APPLICATION = "AWS::Serverless::Application"


class TemplateError(ValueError):
    """A template or a parameter that CloudFormation would refuse."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A template that can be deployed, and the folders that its code comes from."""

    template: Mapping[str, Any]
    sources: Mapping[str, Path]
    """By logical id: the folder of a function's or layer's code."""
    nested: Mapping[str, Path]
    """By key in the bucket: the template of a nested application."""


class _NoManagedPolicies:
    """SAM asks IAM for the names of managed policies; Mayfly's functions use none."""

    def load(self) -> dict[str, str]:
        """No names."""
        return {}


def translate(path: Path, region: str) -> Translation:
    """Translate the template in `path`.

    Raises:
        TemplateError: it cannot be read.
    """
    template = read(path)
    if "Transform" not in template:
        return Translation(template, {}, {})
    sources: dict[str, Path] = {}
    nested: dict[str, Path] = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if attribute := _CODE.get(resource["Type"]):
            sources[name] = path.parent / properties[attribute]
            properties[attribute] = {"Bucket": ARTIFACTS, "Key": artifact_key(name)}
        elif resource["Type"] == _APPLICATION:
            location = path.parent / properties["Location"]
            key = f"{name}.template.json"
            nested[key] = location
            properties["Location"] = f"https://s3.amazonaws.com/{ARTIFACTS}/{key}"
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region  # the translator insists on one
    try:
        translated = transform(template, {}, _NoManagedPolicies())
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before
    return Translation(translated, sources, nested)


def artifact_key(logical_id: str) -> str:
    """Where the code of a function or layer lies in the bucket."""
    return f"{logical_id}.zip"


def read(path: Path) -> dict[str, Any]:
    """A template from YAML, with intrinsic functions in their long form.

    Raises:
        TemplateError: it cannot be read.
    """
    try:
        template = copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TemplateError(f"cannot read {path}: {error}") from error
    if not isinstance(template, dict) or "Resources" not in template:
        raise TemplateError(f"{path} is not a template")
    return template


@functools.cache
def _parsed(text: str) -> Any:
    """Parsed once: the template of a queue is read for every queue."""
    return yaml_parse(text)


def check_parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Hold parameters to what the template allows; moto accepts anything.

    Raises:
        TemplateError: a parameter is unknown, missing, or not allowed.
    """
    slots = template.get("Parameters", {})
    if unknown := given.keys() - slots.keys():
        raise TemplateError(f"the template has no parameter {', '.join(sorted(unknown))}")
    for name, slot in slots.items():
        if name not in given and "Default" not in slot:
            raise TemplateError(f"parameter {name} has no value")
        value = str(given.get(name, slot.get("Default")))
        values = value.split(",") if slot["Type"] == "CommaDelimitedList" else [value]
        for each in values:
            pattern, allowed = slot.get("AllowedPattern"), slot.get("AllowedValues")
            refused = pattern is not None and not re.fullmatch(pattern, each)
            if refused or (allowed is not None and each not in map(str, allowed)):
                reason = slot.get("ConstraintDescription") or pattern or allowed
                raise TemplateError(f"parameter {name}: {each!r} is not allowed ({reason})")
