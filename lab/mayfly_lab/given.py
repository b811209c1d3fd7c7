"""What a lab has for jobs besides their queue's parameters: secrets, and roles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mayfly_protocol.access import PIPELINES, TEAMS

_PLAIN = (PIPELINES, TEAMS)
"""Lists, which the control plane reads: it has no right to decrypt."""


def put_secrets(ssm: Any, secrets: Mapping[str, str]) -> None:
    """Write these parameters by full name: lists as String, all others as SecureString."""
    for name, value in secrets.items():
        kind = "String" if name.rpartition("/")[2] in _PLAIN else "SecureString"
        ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def make_role(iam: Any, role: str, sandbox_role: str, pipeline: str = "") -> None:
    """Make a role, with its path as `/ci/app`, for sessions of a queue's sandbox role.

    `sandbox_role` is an ARN. With a pipeline the role trusts sessions for that pipeline's jobs
    alone.
    """
    condition = {"StringEquals": {"aws:RequestTag/pipeline": pipeline}}
    trust = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"AWS": sandbox_role},
        **({"Condition": condition} if pipeline else {}),
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    path, _, name = role.rpartition("/")
    iam.create_role(RoleName=name, Path=f"{path}/", AssumeRolePolicyDocument=document)
