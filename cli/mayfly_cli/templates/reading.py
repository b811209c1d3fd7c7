"""Reads templates as written, and checks parameter values against them."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse


class TemplateError(ValueError):
    """A template or a parameter that CloudFormation would refuse."""


def read(path: Path) -> dict[str, Any]:
    """The template in `path`, with short intrinsic functions (!Ref, !Sub, …) in their long form.

    The caller may change the returned dict.

    Raises:
        TemplateError: the file cannot be read, or has no Resources.
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
    """The parsed YAML; cached, because stacks/queue.yaml is read again for each queue."""
    return yaml_parse(text)


def is_list(kind: str) -> bool:
    """Whether a parameter type is a list, whose value is one string with commas."""
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def check_parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Check parameter values against the template's types, patterns and allowed values.

    Raises:
        TemplateError: a parameter is unknown, missing, or has a value that is not allowed.
    """
    slots = template.get("Parameters", {})
    if unknown := given.keys() - slots.keys():
        raise TemplateError(f"the template has no parameter {', '.join(sorted(unknown))}")
    for name, slot in slots.items():
        if name not in given and "Default" not in slot:
            raise TemplateError(f"parameter {name} has no value")
        value = str(given.get(name, slot.get("Default")))
        for each in value.split(",") if is_list(slot["Type"]) else [value]:
            pattern, allowed = slot.get("AllowedPattern"), slot.get("AllowedValues")
            refused = pattern is not None and not re.fullmatch(pattern, each)
            if refused or (allowed is not None and each not in map(str, allowed)):
                reason = slot.get("ConstraintDescription") or pattern or allowed
                raise TemplateError(f"parameter {name}: {each!r} is not allowed ({reason})")
