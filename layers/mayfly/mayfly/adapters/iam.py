"""The Roles port over IAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mayfly.adapters.boto_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

    from mayfly.adapters.clients import Lazy


class IamRoles:
    """Implements `mayfly.ports.Roles`."""

    def __init__(self, client: Lazy[IAMClient]) -> None:
        self._client = client

    def policies(self, role_arn: str) -> frozenset[str]:
        """See `mayfly.ports.Roles`."""
        # A role's ARN ends with its path and its name; the API takes the name alone.
        name = role_arn.rpartition("/")[2]
        pages = self._client().get_paginator("list_attached_role_policies").paginate(RoleName=name)
        with translated():
            return frozenset(
                policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]
            )
