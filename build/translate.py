"""Translate a SAM template to plain CloudFormation, offline and without credentials.

`python -m build.translate template.yaml` prints JSON. What `sam package` would upload is replaced
by addresses of objects that do not exist: the result is for linting and tests, not for AWS.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

_UPLOADED = ("CodeUri", "ContentUri")


class _NoManagedPolicies:
    """The translator asks IAM for managed policies by name; no template here names one."""

    @staticmethod
    def load() -> dict[str, str]:
        return {}


def parse(path: Path) -> dict[str, Any]:
    """The template as written, its short intrinsics (!Ref, !Sub, …) in their long form."""
    template: dict[str, Any] = yaml_parse(path.read_text(encoding="utf-8"))
    return template


def translate(path: Path) -> dict[str, Any]:
    """The template as CloudFormation deploys it; layers and functions point at bucket `code`."""
    template = parse(path)
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        for key in _UPLOADED:
            if isinstance(properties.get(key), str):
                properties[key] = {"Bucket": "code", "Key": f"{name}.zip"}
        if resource["Type"] == "AWS::Serverless::Application":
            properties["Location"] = f"https://s3.amazonaws.com/code/{properties['Location']}"
    if "Transform" not in template:
        return template
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")  # the translator asks botocore for one
    translated: dict[str, Any] = transform(template, {}, _NoManagedPolicies())
    return translated


if __name__ == "__main__":
    json.dump(translate(Path(sys.argv[1])), sys.stdout, indent=1)
