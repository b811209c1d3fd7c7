"""What the bench's queue gives its jobs: secrets in all three folders, and a role."""

from __future__ import annotations

from dataclasses import replace

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.given import put_secrets
from mayfly_lab.lab import Lab, LabChoices
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
        roles={queue: [f"{_ROLES}{_ROLE}"]},
    )


def lay_down(lab: Lab, pipeline: str, repository: str, number: int) -> None:
    """Put so many secrets into each folder of this pipeline and repository URL."""
    names = [
        f"{_SECRETS}/{folder}/env/secret-{each}"
        for folder in folders(pipeline, repository)
        for each in range(number)
    ]
    put_secrets(lab.aws.client("ssm"), {name: f"the value of {name}" for name in names})
