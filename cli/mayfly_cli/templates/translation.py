"""From a SAM template to a plain CloudFormation template, as `sam build && sam package` do."""

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
    """A template that can be deployed, and the files that it expects in its bucket."""

    template: dict[str, Any]
    sources: Mapping[str, Path]
    """By logical id: the folder of a function's or layer's code."""
    nested: Mapping[str, Path]
    """By key in the bucket: the template of a nested application."""


class _NoManagedPolicies:
    """The translator asks IAM for the names of managed policies; Mayfly's functions use none."""

    def load(self) -> dict[str, str]:
        """No names."""
        return {}


def translate(path: Path, region: str, bucket: str = "code") -> Translation:
    """The template in `path` as CloudFormation deploys it in `region`; offline, no credentials.

    Code and nested templates lie in `bucket`, where `sam package` would upload them.

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
            properties[attribute] = {"Bucket": bucket, "Key": artifact_key(name)}
        elif resource["Type"] == _APPLICATION:
            key = properties["Location"]
            nested[key] = path.parent / key
            properties["Location"] = f"https://s3.amazonaws.com/{bucket}/{key}"
    with _default_region(region):
        return Translation(transform(template, {}, _NoManagedPolicies()), sources, nested)


def artifact_key(logical_id: str) -> str:
    """Where the code of a function or layer lies in the bucket."""
    return f"{logical_id}.zip"


@contextmanager
def _default_region(region: str) -> Iterator[None]:
    """The translator asks botocore for a region, and botocore asks the environment."""
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before
