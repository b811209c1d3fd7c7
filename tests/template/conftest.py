"""Fixtures of both templates: as written, as translated by SAM, and as deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mayfly_cli.templates.reading import read
from mayfly_cli.templates.resolution import REGION, Deployment
from mayfly_cli.templates.translation import translate

ROOT = Path(__file__).resolve().parents[2]
CONTROL = ROOT / "template.yaml"
QUEUE = ROOT / "stacks" / "queue.yaml"

AMD64, ARM64 = "1" * 64, "2" * 64

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def written() -> dict[str, Any]:
    """template.yaml as written."""
    return read(CONTROL)


@pytest.fixture(scope="session")
def control_template() -> dict[str, Any]:
    """template.yaml as CloudFormation gets it, translated by SAM."""
    return translate(CONTROL, REGION).template


@pytest.fixture(scope="session")
def queue_template() -> dict[str, Any]:
    """stacks/queue.yaml as written."""
    return read(QUEUE)


@pytest.fixture(scope="session")
def control_plane(control_template: dict[str, Any]) -> Deployment:
    """The deployed control plane `acme` with a first queue."""
    parameters = {
        "QueueKey": "linux",
        "VpcId": "vpc-1",
        "Subnets": "subnet-1,subnet-2",
        "AgentRelease": f"3.138.3,{AMD64},{ARM64}",
    }
    return Deployment(control_template, "acme", parameters)


@pytest.fixture(scope="session")
def control(control_plane: Deployment) -> Resources:
    """Resources of the deployed control plane `acme`."""
    return control_plane.resources


QUEUE_PARAMETERS = {
    "AgentVersion": "3.138.3",
    "AgentSha256Amd64": AMD64,
    "AgentSha256Arm64": ARM64,
    "ControlStack": "acme",
    "QueueKey": "linux",
    "VpcId": "vpc-1",
    "Subnets": "subnet-1,subnet-2",
}


@pytest.fixture(scope="session")
def queue_parameters() -> dict[str, str]:
    """The parameters that `stacks/queue.yaml` has no default for."""
    return dict(QUEUE_PARAMETERS)


@pytest.fixture(scope="session")
def stored(control_plane: Deployment) -> dict[str, str]:
    """By name: the values of the SSM parameters of the control plane's stack `acme`."""
    return control_plane.published


@pytest.fixture(scope="session")
def queue(queue_template: dict[str, Any], stored: dict[str, str]) -> Resources:
    """Resources of the queue `linux` of `acme`, deployed with all defaults."""
    return Deployment(queue_template, "acme-linux", QUEUE_PARAMETERS, stored).resources


@pytest.fixture(scope="session")
def full_queue(queue_template: dict[str, Any], stored: dict[str, str]) -> Resources:
    """Resources of the queue `linux` of `acme`, deployed with every option set."""
    options = {
        "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:linux",
        "AssignPublicIp": "true",
        "BootstrapPolicies": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        "ExtraTags": "team=ci,cost-centre=42",
        "OwnImageArm64": "ami-0aaaaaaaaaaaaaaaa",
        "PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary",
        "RootVolumeKey": "arn:aws:kms:eu-west-1:123456789012:key/1",
        "SandboxPolicies": "arn:aws:iam::123456789012:policy/a,arn:aws:iam::123456789012:policy/b",
        "JobRolePath": "/ci/linux/",
        "SandboxRoleName": "linux-jobs",
        "SecretsKey": "own",
        "SecretsKeyAdministrators": "arn:aws:iam::123456789012:role/platform/*",
        "SecretsOwners": "arn:aws:iam::123456789012:role/people/secrets-owner",
        "SecretsPath": "/vendors/buildkite/linux",
        "ScriptPrefix": "acme-ci/bootstrap/",
        "SecurityGroups": "sg-1,sg-2",
    }
    return Deployment(queue_template, "acme-linux", QUEUE_PARAMETERS | options, stored).resources
