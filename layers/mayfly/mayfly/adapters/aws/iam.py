"""The Roles port over IAM."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.elements import UNREADABLE, string
from mayfly.errors import Misconfigured, Transient

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
                known = self._read(role_arn)
            except Transient as error:
                if known is None:
                    raise
                log.warning("policies of %s: the last answer counts: %s", role_arn, error)
            # Also after an error: a call that hangs must not delay every tick.
            self._answers[role_arn] = now, known
        return known

    def _read(self, role_arn: str) -> frozenset[str]:
        # A role's ARN ends with its path and its name; the API takes the name alone.
        name = role_arn.rpartition("/")[2]
        pages = self._client.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        with translated():
            attached = [each for page in pages for each in page.get("AttachedPolicies") or ()]
        try:
            return frozenset(string(policy["PolicyArn"]) for policy in attached)
        except UNREADABLE as error:
            # A policy that is left out could be the one that both roles of a queue carry.
            raise Misconfigured(f"a policy of role {name} has no readable ARN") from error
