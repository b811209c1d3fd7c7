"""An account with everything deployed: the control plane, its nested queue, and a further queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws_lab import FAST, Lab, a_lab
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.deploy.stacks import Deployed, Deployment, QueueStack
from mayfly_lab.aws.functions.environment import Outcome

TOKEN = "bkct_the-cluster-token"
ENDPOINT = "http://127.0.0.1:9/v3"
STACK = "mayfly"
SECRETS = "/vendors/buildkite/deploy"
_ROLES = f"arn:aws:iam::{ACCOUNT}:role"
HARMLESS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
    }
)


@dataclass
class Account:
    """A deployed account, with clients to read it."""

    lab: Lab
    deployed: Deployed

    def client(self, service: str) -> Any:
        return self.lab.client(service)

    def resources(self, stack: str) -> dict[str, dict[str, Any]]:
        """The stack's resources by logical id."""
        found = self.client("cloudformation").list_stack_resources(StackName=stack)
        return {each["LogicalResourceId"]: each for each in found["StackResourceSummaries"]}


@contextmanager
def an_account(home: Path, sources: Path) -> Iterator[Account]:
    """Deploy into a new lab; the functions do not run."""
    policies = {}
    with a_lab(home, FAST) as lab:
        for kind in ("Bootstrap", "Sandbox"):
            made = lab.client("iam").create_policy(PolicyName=kind, PolicyDocument=HARMLESS)
            policies[f"{kind}Policies"] = made["Policy"]["Arn"]
        network = lab.client("ec2").describe_subnets()["Subnets"][:2]
        deployment = Deployment(
            root=sources,
            token=TOKEN,
            endpoint=ENDPOINT,
            queues=(
                QueueStack(
                    "deploy",
                    {
                        **policies,
                        "ScriptPrefix": "scripts/mayfly/",
                        "JobRolePath": "/ci/deploy/",
                        "SecretsPath": SECRETS,
                        "SecretsKey": "own",
                        "SecretsKeyAdministrators": f"{_ROLES}/administrator",
                        "SecretsOwners": f"{_ROLES}/secrets-owner,{_ROLES}/repository-*",
                        "ExtraTags": "team=ci,cost-centre=42",
                        "AgentVersion": "3.138.3",
                        "AgentSha256Amd64": "1" * 64,
                        "AgentSha256Arm64": "2" * 64,
                    },
                ),
            ),
            stack=STACK,
            parameters={
                "QueueKey": "first",
                "VpcId": network[0]["VpcId"],
                "Subnets": ",".join(each["SubnetId"] for each in network),
                "AgentRelease": f"3.138.3,{'1' * 64},{'2' * 64}",
                "AlarmAddress": "ops@example.org",
            },
        )
        # The functions must not run: these tests do not read them, and Buildkite is missing.
        lab.aws.functions.invoke = lambda name, event: Outcome("r")  # type: ignore[method-assign]
        yield Account(lab, lab.aws.deploy(deployment))


def inline_policies(account: Account, role: str) -> dict[str, Any]:
    iam = account.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in names
    }
