"""The Roles port over IAM."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.elements import UNREADABLE, string
from mayfly.answers import Policy, Role
from mayfly.errors import Misconfigured, Transient
from mayfly.iam.documents import statements_of

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


log = logging.getLogger("mayfly")

FRESH = 10.0
"""Seconds for which an answer is reused; IAM itself shows changes with a delay."""


class IamRoles:
    """Implements `mayfly.ports.Roles`."""

    def __init__(self, client: IAMClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._answers: dict[str, tuple[float, frozenset[str]]] = {}

    def policies(self, role_arn: str) -> frozenset[str]:
        """See `mayfly.ports.Roles`. An answer may be `FRESH` seconds old.

        While IAM does not answer, the last answer counts, whatever its age, so that launches go on.
        Without an earlier answer the error is raised, so a queue is never launched unchecked.
        """
        now = self._clock()
        at, known = self._answers.get(role_arn, (now - FRESH, None))
        if known is None or now - at >= FRESH:
            try:
                known = frozenset(self._attached(_name(role_arn)))
            except Transient as error:
                if known is None:
                    raise
                log.warning("policies of %s: the last answer counts: %s", role_arn, error)
            # Also after an error: a call that hangs must not delay every tick.
            self._answers[role_arn] = now, known
        return known

    def role(self, role_arn: str) -> Role:
        """See `mayfly.ports.Roles`.

        Takes three calls, one for each inline policy, and two for each managed one or boundary.
        """
        name = _name(role_arn)
        try:
            with translated():
                found = self._client.get_role(RoleName=name)["Role"]
            attached = tuple(self._attached(name))
            self._answers[role_arn] = self._clock(), frozenset(attached)
            boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
            return Role(
                arn=string(found["Arn"]),
                id=string(found["RoleId"]),
                trust=statements_of(found.get("AssumeRolePolicyDocument")),
                policies=(*self._inline(name), *map(self._managed, attached)),
                boundary=self._managed(string(boundary)) if boundary is not None else None,
            )
        except UNREADABLE as error:
            raise Misconfigured(f"role {name} cannot be read: {error}") from error

    def _attached(self, name: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        with translated():
            attached = [each for page in pages for each in page.get("AttachedPolicies") or ()]
        for policy in attached:
            try:
                yield string(policy["PolicyArn"])
            except UNREADABLE as error:
                # A policy that is left out could be the one that both roles of a queue carry.
                raise Misconfigured(f"a policy of role {name} has no readable ARN") from error

    def _inline(self, name: str) -> Iterator[Policy]:
        with translated():
            pages = self._client.get_paginator("list_role_policies").paginate(RoleName=name)
            names = [string(each) for page in pages for each in page.get("PolicyNames") or ()]
            for policy in names:
                found = self._client.get_role_policy(RoleName=name, PolicyName=policy)
                yield _policy(policy, found["PolicyDocument"])

    def _managed(self, arn: str) -> Policy:
        """A managed policy in its default version, the only one that IAM applies."""
        with translated():
            version = self._client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = self._client.get_policy_version(PolicyArn=arn, VersionId=version)
        return _policy(arn, found["PolicyVersion"]["Document"])


def _policy(name: str, document: object) -> Policy:
    """The policy. Raises Misconfigured for a document that cannot be read."""
    try:
        return Policy(name, statements_of(document))
    except UNREADABLE as error:
        raise Misconfigured(f"policy {name} cannot be read: {error}") from error


def _name(role_arn: str) -> str:
    """A role's ARN ends with its path and its name; the API takes the name alone."""
    return role_arn.rpartition("/")[2]
