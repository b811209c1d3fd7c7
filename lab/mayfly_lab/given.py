"""What a lab has for jobs besides their queue's parameters: secrets, and roles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mayfly_protocol.access import PIPELINES, TEAMS

_PLAIN = (PIPELINES, TEAMS)
"""Lists, which the control plane reads: it has no right to decrypt."""


def put_secrets(ssm: Any, secrets: Mapping[str, str]) -> None:
    """Write these parameters by full name: lists as String, all others as SecureString."""
    for name, value in secrets.items():
        kind = "String" if name.rpartition("/")[2] in _PLAIN else "SecureString"
        ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def make_roles(iam: Any, roles: Iterable[str], sandbox_role: str) -> None:
    """Make these roles, each with its path as `/ci/app`, for sessions of the sandbox role.

    `sandbox_role` is the ARN of a queue's role.
    """
    trust = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"AWS": sandbox_role},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for role in roles:
        path, _, name = role.rpartition("/")
        iam.create_role(RoleName=name, Path=f"{path}/", AssumeRolePolicyDocument=document)
