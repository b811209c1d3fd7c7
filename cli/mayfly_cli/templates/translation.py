"""Translates a SAM template to CloudFormation, as `sam build && sam package` do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform

from mayfly_cli.templates.reading import read

_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_APPLICATION = "AWS::Serverless::Application"


@dataclass(frozen=True, slots=True)
class Translation:
    """A template that can be deployed, and the files that the template expects in its bucket."""

    template: dict[str, Any]
    sources: Mapping[str, Path]
    """By logical id of a function or layer: the folder of its code."""
    nested: Mapping[str, Path]
    """By key in the bucket: the path of a nested application's template."""


class _NoManagedPolicies:
    """In place of the translator's loader, which asks IAM; no function names a managed policy."""

    def load(self) -> dict[str, str]:
        """ARNs of managed policies by name: none."""
        return {}


def translate(path: Path, region: str, bucket: str = "code") -> Translation:
    """The template in `path` as CloudFormation receives it in `region`; offline, no credentials.

    Code and nested templates have addresses in `bucket`, as if `sam package` had uploaded them.

    Raises:
        TemplateError: the template cannot be read.
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
            properties[attribute] = {"Bucket": bucket, "Key": artifact_key(name)}
        elif resource["Type"] == _APPLICATION:
            key = properties["Location"]
            nested[key] = path.parent / key
            properties["Location"] = f"https://s3.amazonaws.com/{bucket}/{key}"
    with _default_region(region):
        return Translation(transform(template, {}, _NoManagedPolicies()), sources, nested)


def artifact_key(logical_id: str) -> str:
    """Key of a function's or layer's code in the bucket."""
    return f"{logical_id}.zip"


@contextmanager
def _default_region(region: str) -> Iterator[None]:
    """Set AWS_DEFAULT_REGION for a while: the translator reads the region through botocore."""
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before
