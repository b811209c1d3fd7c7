"""What the cases and the sweep judge: the templates' resources as deployed, in one account.

The stack `acme` has the queues `linux` and `linux2`; the stack `acme-2` has a queue `linux`. The
names begin alike on purpose: a pattern that is too short would take one for the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from mayfly.iam.evaluation import Statement, as_list
from mayfly_cli.templates.reading import read
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment
from mayfly_cli.templates.translation import translate
from tests.template.conftest import CONTROL, QUEUE, QUEUE_PARAMETERS

STACK, OTHER_STACK = "acme", "acme-2"
TOKEN_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/token"
SCRIPT_BUCKET, SCRIPT_PREFIX = "acme-ci", "acme-ci/bootstrap/"
"""Where the queue `linux` of `acme` has its bootstrap scripts; each other queue has a bucket."""

FOLDER = "github.com_acme_shop.git"
"""The folder of secrets that a repository has."""

Resources = Mapping[str, Mapping[str, Any]]


@cache
def _control_plane(stack: str) -> Deployment:
    """A control plane's stack, with an own key for the token and an alarm address."""
    parameters = {
        "TokenKmsKey": TOKEN_KEY,
        "TokenParameter": "/buildkite/mayfly/agent-token",
        "AlarmAddress": "alarms@acme.example",
    }
    return Deployment(translate(CONTROL, REGION).template, stack, parameters)


@cache
def control(stack: str = STACK) -> Resources:
    """Resources of a control plane's stack."""
    return _with_names_of_aws(_control_plane(stack).resources, stack)


@cache
def queue(key: str = "linux", stack: str = STACK) -> Resources:
    """Resources of a queue's stack, with a place for bootstrap scripts of its own."""
    ours = (key, stack) == ("linux", STACK)
    parameters = QUEUE_PARAMETERS | {
        **_gifts(key, stack),
        "ControlStack": stack,
        "QueueKey": key,
        "ScriptPrefix": SCRIPT_PREFIX if ours else f"{stack}-{key}-ci/bootstrap/",
    }
    name = f"{stack}-{key}"
    stored = _control_plane(stack).published
    deployed = Deployment(read(QUEUE), name, parameters, stored).resources
    return _with_names_of_aws(deployed, name)


def secrets_path(key: str = "linux", stack: str = STACK) -> str:
    """The folder with the secrets of a queue's jobs."""
    return f"/vendors/buildkite/{key}" if stack == STACK else f"/vendors/{stack}/{key}"


def secrets_key(key: str = "linux", stack: str = STACK) -> str:
    """ARN of the own key of a queue's secrets."""
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{stack}-{key}-secrets"


def job_role_path(key: str = "linux", stack: str = STACK) -> str:
    """The path of the roles that jobs of a queue may have."""
    return f"/ci/{key}/" if stack == STACK else f"/ci-2/{key}/"


def _gifts(key: str, stack: str) -> dict[str, str]:
    """What a queue's stack gives to jobs: secrets with a key of their own, and roles."""
    return {
        "JobRolePath": job_role_path(key, stack),
        "SecretsKey": "own",
        "SecretsKeyAdministrators": f"arn:aws:iam::{ACCOUNT}:role/people/administrator",
        "SecretsOwners": f"arn:aws:iam::{ACCOUNT}:role/people/*owner-of-{stack}-{key}",
        "SecretsPath": secrets_path(key, stack),
    }


@cache
def owners_of_a_folder() -> Resources:
    """Resources of the stack for the owners of one repository's secrets."""
    parameters = {
        "ControlStack": STACK,
        "SecretsPath": secrets_path(),
        "Folder": FOLDER,
        "SecretsKey": secrets_key(),
    }
    return Deployment(read(QUEUE.with_name("secrets-owners.yaml")), "owners", parameters).resources


def _with_names_of_aws(resources: Resources, stack: str) -> Resources:
    """Resources with the names that CloudFormation invents: `<stack>-<logical id>-<suffix>`.

    Denies of a queue's roles may name a stack's resources by that beginning.
    """
    ids = "|".join(sorted(resources, key=len, reverse=True))
    invented = re.sub(
        rf'(arn:aws:[a-z]+:{REGION}:{ACCOUNT}:)({ids})(?=["/:])',
        lambda match: f"{match[1]}{physical_name(stack, match[2])}",
        json.dumps(resources),
    )
    found: Resources = json.loads(invented.replace("key/QueueSecretsKey", f"key/{stack}-secrets"))
    return found


def physical_name(stack: str, logical_id: str) -> str:
    """The name that CloudFormation invents for a resource without a name of its own."""
    return f"{stack}-{logical_id}-1A2B3C4D5E6F"


def role_statements(role: Mapping[str, Any]) -> list[Statement]:
    """The statements of a role's inline policies."""
    return [
        statement
        for policy in role["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def trust_statements(role: Mapping[str, Any]) -> list[Statement]:
    """The statements of a role's trust policy."""
    return list(role["Properties"]["AssumeRolePolicyDocument"]["Statement"])


def table_statements(resources: Resources, table: str) -> list[Statement]:
    """The statements of a table's resource policy; none where it has no policy."""
    policy = resources[table]["Properties"].get("ResourcePolicy", {})
    return as_list(policy.get("PolicyDocument", {}).get("Statement", []))


def queue_statements(resources: Resources, queue: str) -> list[Statement]:
    """The statements of all policies of a queue of SQS."""
    return [
        statement
        for resource in resources.values()
        if resource["Type"] == "AWS::SQS::QueuePolicy" and queue in resource["Properties"]["Queues"]
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def managed_statements(policy: Mapping[str, Any]) -> list[Statement]:
    """The statements of a managed policy of the template."""
    return list(policy["Properties"]["PolicyDocument"]["Statement"])


def tags_of(resource: Mapping[str, Any]) -> dict[str, str]:
    """A resource's tags by key, as its template says; empty for none."""
    tags = resource["Properties"].get("Tags", {})
    if isinstance(tags, dict):
        return dict(tags)
    return {tag["Key"]: tag["Value"] for tag in tags}
