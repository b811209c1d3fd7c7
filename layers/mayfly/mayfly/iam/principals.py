"""Decides whether a resource policy's element Principal or NotPrincipal names a caller.

Source: IAM user guide, "AWS JSON policy elements: Principal" and "…: NotPrincipal".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from mayfly.iam.request import Caller, Statement, as_list


class Naming(IntEnum):
    """How closely a statement names the caller; what an Allow gives depends on it."""

    NOT = 0
    ACCOUNT = 1
    """The caller's account: it may give the right to the caller by the caller's own policies."""
    ROLE = 2
    """The caller's role, or everybody: boundary and session policies still limit the right."""
    DIRECT = 3
    """The user, session, service or provider of tokens itself."""


def naming(statement: Statement, caller: Caller) -> Naming:
    """How closely the statement names the caller.

    Raises:
        KeyError: the statement has neither Principal nor NotPrincipal.
    """
    if "NotPrincipal" in statement:
        return Naming.NOT if _excepted(statement["NotPrincipal"], caller) else Naming.ROLE
    return _named(statement["Principal"], caller)


def _named(principal: Any, caller: Caller) -> Naming:
    if principal == "*":
        return Naming.ROLE
    if not isinstance(principal, Mapping):
        return Naming.NOT
    for kind, name in (("Service", caller.service), ("Federated", caller.provider)):
        if name:
            return Naming.DIRECT if name in as_list(principal.get(kind, ())) else Naming.NOT
    return max(
        (_of_aws(name, caller) for name in as_list(principal.get("AWS", ()))), default=Naming.NOT
    )


def _of_aws(name: str, caller: Caller) -> Naming:
    if name == caller.arn:
        return Naming.DIRECT
    if name in {"*", caller.role}:
        return Naming.ROLE
    if name == caller.unique_id:
        return Naming.ROLE if caller.role else Naming.DIRECT
    return Naming.ACCOUNT if name in _account(caller) else Naming.NOT


def _excepted(principal: Any, caller: Caller) -> bool:
    """Whether NotPrincipal excepts the caller: every name of a caller must be listed.

    A session is excepted only by its own ARN, its role's and its account's together.
    """
    if not isinstance(principal, Mapping):
        return True  # "*": nobody is left
    if caller.service:
        return caller.service in as_list(principal.get("Service", ()))
    listed = set(as_list(principal.get("AWS", ())))
    names = {caller.arn, *([caller.role] if caller.role else ())}
    return "*" in listed or (names <= listed and bool(listed & _account(caller)))


def _account(caller: Caller) -> set[str]:
    partition = caller.arn.split(":")[1]
    return {caller.account, f"arn:{partition}:iam::{caller.account}:root"}
