"""The Roles port over IAM."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


FRESH = 10.0
"""Seconds for which an answer is reused; IAM itself shows changes with a delay."""


class IamRoles:
    """Implements `mayfly.ports.Roles`."""

    def __init__(self, client: IAMClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._answers: dict[str, tuple[float, frozenset[str]]] = {}

    def policies(self, role_arn: str) -> frozenset[str]:
        """See `mayfly.ports.Roles`. An answer may be `FRESH` seconds old."""
        now = self._clock()
        at, known = self._answers.get(role_arn, (now - FRESH, frozenset()))
        if now - at >= FRESH:
            at, known = self._answers[role_arn] = now, self._read(role_arn)
        return known

    def _read(self, role_arn: str) -> frozenset[str]:
        # A role's ARN ends with its path and its name; the API takes the name alone.
        name = role_arn.rpartition("/")[2]
        pages = self._client.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        with translated():
            return frozenset(
                policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]
            )
