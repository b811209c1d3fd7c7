"""The two roles and profiles of check-profiles: made without any right, deleted at the end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly_cli.account import Account
from mayfly_cli.ends import BrokenError

TAG = "mayfly-check-profiles"
NAMES = (f"{TAG}-a", f"{TAG}-b")
"""Each is the name of a role and of the profile with that role."""
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"},
            }
        ],
    }
)


@contextlib.contextmanager
def profiles(account: Account) -> Iterator[None]:
    """Both profiles, for the block.

    Raises:
        BrokenError: something with one of the names exists already, or cannot be deleted.
    """
    iam = account.client("iam")
    with contextlib.ExitStack() as made:
        for name in NAMES:
            try:
                _make(iam, name, made)
            except ClientError as error:
                if code_of(error) == "EntityAlreadyExists":
                    raise BrokenError(f"{name} exists in the account: delete it first") from error
                raise
        yield


def _make(iam: Any, name: str, made: contextlib.ExitStack) -> None:
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)
    made.callback(_delete, name, lambda: iam.delete_role(RoleName=name))
    iam.create_instance_profile(InstanceProfileName=name)
    made.callback(_delete, name, lambda: iam.delete_instance_profile(InstanceProfileName=name))
    named = {"InstanceProfileName": name, "RoleName": name}
    iam.add_role_to_instance_profile(**named)
    made.callback(_delete, name, lambda: iam.remove_role_from_instance_profile(**named))


def _delete(name: str, call: Callable[[], Any]) -> None:
    try:
        call()
    except (ClientError, BotoCoreError) as error:
        raise BrokenError(f"role and profile {name} could not be deleted: {error}") from error


def policy(partition: str = "aws") -> dict[str, Any]:
    """The rights of the caller beyond those of a launch: its own roles and its own instance."""
    names = f"{TAG}-*"
    own = [f"arn:{partition}:iam::*:{kind}/{names}" for kind in ("role", "instance-profile")]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "iam:AddRoleToInstanceProfile",
                    "iam:CreateInstanceProfile",
                    "iam:CreateRole",
                    "iam:DeleteInstanceProfile",
                    "iam:DeleteRole",
                    "iam:RemoveRoleFromInstanceProfile",
                ],
                "Resource": own,
            },
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": own[0],
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            },
            {
                "Effect": "Allow",
                "Action": "ec2:ReplaceIamInstanceProfileAssociation",
                "Resource": f"arn:{partition}:ec2:*:*:instance/*",
                "Condition": {"StringEquals": {f"aws:ResourceTag/{TAG}": "1"}},
            },
            {
                "Effect": "Allow",
                "Action": "ec2:DescribeIamInstanceProfileAssociations",
                "Resource": "*",
            },
        ],
    }
