"""People of the local AWS: sessions of roles that have deployed policies, and no other rights."""

from __future__ import annotations

import json
from typing import Any

from mayfly_cli.templates.reading import check_parameters
from mayfly_cli.templates.translation import translate
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.local import LocalAws
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import ROOT

ROLES = f"arn:aws:iam::{ACCOUNT}:role"
_TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
}


def a_role(aws: LocalAws, name: str, *policies: str) -> Keys:
    """A session of a new role that has these managed policies alone."""
    iam = aws.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(_TRUST))
    for arn in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    return aws.sessions.begin(name, "ann")[0]


def own_policy(aws: LocalAws, name: str, *statements: dict[str, Any]) -> str:
    """The ARN of a new managed policy of an account's own."""
    made = aws.client("iam").create_policy(PolicyName=name, PolicyDocument=policy(*statements))
    return str(made["Policy"]["Arn"])


def policy(*statements: dict[str, Any]) -> str:
    """A policy document as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def output(aws: LocalAws, stack: str, name: str) -> str:
    """An output of a deployed stack, such as the ARN of a policy for people."""
    [found] = aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return next(str(o["OutputValue"]) for o in found["Outputs"] if o["OutputKey"] == name)


def owners_of_a_folder(aws: LocalAws, stack: str, **parameters: str) -> str:
    """Deploy stacks/secrets-owners.yaml. Returns the ARN of its policy."""
    path = ROOT / "stacks" / "secrets-owners.yaml"
    template = translate(path, aws.config.region).template
    check_parameters(template, parameters)  # moto does not check parameters
    aws.client("cloudformation").create_stack(
        StackName=stack,
        TemplateBody=json.dumps(template, default=str),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    return output(aws, stack, "SecretsOwnersPolicy")
