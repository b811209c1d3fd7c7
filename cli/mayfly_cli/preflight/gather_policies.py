"""Reads the managed policies that a queue's roles would carry. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from mayfly.answers import Policy
from mayfly.iam.documents import statements_of
from mayfly_cli.account import Account
from mayfly_cli.findings import Unknown

_ABSENT = ("NoSuchEntity",)


def policies(account: Account, arns: Iterable[str]) -> dict[str, Policy | Unknown | None]:
    """By ARN: the policy in its default version; None for one that does not exist."""
    return {arn: _policy(account, arn) for arn in dict.fromkeys(arns)}


def _policy(account: Account, arn: str) -> Policy | Unknown | None:
    seen = account.ask("iam", "get_policy", _ABSENT, PolicyArn=arn)
    if seen is None or isinstance(seen, Unknown):
        return seen
    version = str(seen["Policy"]["DefaultVersionId"])
    found = account.ask("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
    if isinstance(found, Unknown):
        return found
    try:
        return Policy(arn, statements_of(found["PolicyVersion"].get("Document")))
    except (TypeError, ValueError) as error:
        return Unknown(f"policy {arn} cannot be read: {error}")
