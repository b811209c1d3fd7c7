"""What the bench's queue gives its jobs: secrets in all three folders, and a role."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.lab import STACK, Lab, LabChoices
from mayfly_protocol.slugs import folders

_SECRETS = "/vendors/buildkite/bench"
_ROLES = "/ci/"
_ROLE = "bench-deploy"


def with_grants(choices: LabChoices, queue: str, pipeline: str) -> LabChoices:
    """The choices for a lab in which this queue gives this pipeline's jobs secrets and a role."""
    role = f"pipeline={pipeline} -> arn:aws:iam::{ACCOUNT}:role{_ROLES}{_ROLE}"
    return replace(
        choices,
        parameters={queue: {"secrets/path": _SECRETS, "role/deploy": role}},
        stacks={queue: {"SecretsPath": _SECRETS, "JobRolePath": _ROLES}},
    )


def lay_down(lab: Lab, queue: str, pipeline: str, repository: str, number: int) -> None:
    """Make the role, and so many secrets in each folder of this pipeline and repository URL."""
    ssm = lab.aws.client("ssm")
    for folder in folders(pipeline, repository):
        for each in range(number):
            name = f"{_SECRETS}/{folder}/env/secret-{each}"
            ssm.put_parameter(Name=name, Value=f"the secret {each}", Type="SecureString")
    trust = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"AWS": _published(lab, queue)["sandbox_role"]},
    }
    lab.aws.client("iam").create_role(
        RoleName=_ROLE,
        Path=_ROLES,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )


def _published(lab: Lab, queue: str) -> Any:
    name = f"/mayfly-infra/{STACK}/queues/{queue}"
    return json.loads(lab.aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
