"""The publication of a queue stack, for tests: stack `ci`, queue `deploy`, both architectures."""

from __future__ import annotations

import json

from mayfly.answers import Parameter
from mayfly.config.infra import Infra

TEMPLATES = {
    "x86_64": {"id": "lt-0123456789abcdef0", "version": "3"},
    "arm64": {"id": "lt-0123456789abcdef1", "version": "4"},
}

GIVING = {"secrets_path": "/vendors/buildkite", "job_role_path": "/ci/"}
"""Fields of a stack that gives rights to secrets and to roles of jobs."""


def arn(kind: str, side: str, stack: str = "ci", queue: str = "deploy") -> str:
    return f"arn:aws:iam::123456789012:{kind}/mayfly/{stack}/{side}/{queue}/mayfly-{side}"


def queue_stack(**changes: object) -> str:
    return json.dumps(
        {
            "protocol": 1,
            "queue": "deploy",
            "templates": TEMPLATES,
            "bootstrap_profile": arn("instance-profile", "bootstrap"),
            "sandbox_profile": arn("instance-profile", "sandbox"),
            "bootstrap_role": arn("role", "bootstrap"),
            "sandbox_role": arn("role", "sandbox"),
            "bootstrap_role_id": "AROABOOTSTRAPAAAAAAAA",
            "sandbox_role_id": "AROASANDBOXAAAAAAAAAA",
            "subnets": ["subnet-0a", "subnet-0b"],
            "script_prefix": "scripts/mayfly/",
            **changes,
        }
    )


def infra(**changes: object) -> Infra:
    return Infra.parse("deploy", "ci", queue_stack(**changes))


def parameters(texts: dict[str, str], version: int = 1) -> dict[str, Parameter]:
    return {name: Parameter(text, version) for name, text in texts.items()}
