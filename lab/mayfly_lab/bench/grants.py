"""What the bench's queue gives its jobs: secrets in all three folders, keys for ssh, and a role."""

from __future__ import annotations

from dataclasses import replace

from mayfly_instance.job_secrets import KEY
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.given import machines_have_ssh, make_key, put_secrets
from mayfly_lab.lab import Lab, LabChoices
from mayfly_protocol.slugs import folders, repository_slug

_SECRETS = "/vendors/buildkite/bench"
_SHARED_KEY = f"{_SECRETS}/plugins/ssh-key"
_ROLES = "/ci/"
_ROLE = "bench-deploy"


def with_grants(choices: LabChoices, queue: str, pipeline: str) -> LabChoices:
    """The choices for a lab in which this queue gives this pipeline's jobs secrets and a role.

    With a shared key for ssh where machines have ssh's programs.
    """
    role = f"pipeline={pipeline} -> arn:aws:iam::{ACCOUNT}:role{_ROLES}{_ROLE}"
    parameters = {"secrets/path": _SECRETS, "role/deploy": role}
    if machines_have_ssh():
        parameters["secrets/shared-ssh-keys"] = _SHARED_KEY
    return replace(
        choices,
        parameters={queue: parameters},
        stacks={queue: {"SecretsPath": _SECRETS, "JobRolePath": _ROLES}},
        roles={queue: [f"{_ROLES}{_ROLE}"]},
    )


def lay_down(lab: Lab, pipeline: str, repository: str, number: int) -> bool:
    """Put so many secrets into each folder of this pipeline and repository URL.

    Returns whether the shared key and one of the repository were put too: machines have ssh.
    """
    names = [
        f"{_SECRETS}/{folder}/env/secret-{each}"
        for folder in folders(pipeline, repository)
        for each in range(number)
    ]
    secrets = {name: f"the value of {name}" for name in names}
    has_ssh = machines_have_ssh()
    if has_ssh:
        keys = (_SHARED_KEY, f"{_SECRETS}/{repository_slug(repository)}/{KEY}")
        secrets |= {name: make_key()[0] for name in keys}
    put_secrets(lab.aws.client("ssm"), secrets)
    return has_ssh
