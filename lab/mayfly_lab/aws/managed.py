"""AWS's own managed policies, loaded when a role first names one: moto keeps 1,300 of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend

from mayfly_lab.aws.patches import Patch

_OF_AWS = "arn:aws:iam::aws:policy/"


def know(backend: Any, arn: str) -> None:
    """Let moto's IAM know a managed policy of AWS; no effect for another or unknown policy."""
    if not arn.startswith(_OF_AWS) or arn in backend.managed_policies:
        return
    name = arn.rpartition("/")[2]
    if (data := _all().get(name)) is not None:
        made = AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, data)
        backend.managed_policies[made.arn] = made


def patches() -> list[Patch]:
    """A patch that lets a role have a managed policy of AWS."""
    stock = IAMBackend.attach_role_policy

    def attach_role_policy(self: Any, policy_arn: str, role_name: str) -> None:
        know(self, policy_arn)
        stock(self, policy_arn, role_name)

    return [
        Patch(IAMBackend, "attach_role_policy", attach_role_policy, "self, policy_arn, role_name")
    ]


@cache
def _all() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(aws_managed_policies_data)
    return found
