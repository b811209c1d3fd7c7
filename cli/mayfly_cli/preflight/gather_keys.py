"""Reads KMS keys of volumes and images from the account. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from mayfly_cli.account import Account
from mayfly_cli.findings import Unknown
from mayfly_cli.preflight.checks_instances import SPOT_ROLE
from mayfly_cli.preflight.snapshot import VolumeKey


def volume_keys(account: Account, names: Iterable[str]) -> dict[str, VolumeKey | Unknown | None]:
    """By ARN: the key; None for a key that does not exist, Unknown for an unreadable one."""
    return {name: _key(account, name) for name in dict.fromkeys(names)}


def _key(account: Account, name: str) -> VolumeKey | Unknown | None:
    absent = ("NotFoundException", "InvalidArnException")
    seen = account.ask("kms", "describe_key", absent, KeyId=name)
    if seen is None or isinstance(seen, Unknown):
        return seen
    shown = seen["KeyMetadata"]
    key = VolumeKey(
        arn=str(shown["Arn"]),
        account=str(shown["AWSAccountId"]),
        customer=shown.get("KeyManager") != "AWS",
        state=str(shown["KeyState"]),
    )
    if not key.customer or key.account != account.id:
        return key
    return VolumeKey(
        key.arn,
        key.account,
        key.customer,
        key.state,
        stack=_stack(account, key.arn),
        spot_grant=_spot_grant(account, key.arn),
    )


def _stack(account: Account, arn: str) -> str | Unknown:
    seen = account.ask("kms", "list_resource_tags", KeyId=arn)
    if isinstance(seen, Unknown):
        return seen
    tags = {str(tag["TagKey"]): str(tag["TagValue"]) for tag in seen["Tags"]}
    return tags.get("mayfly-stack", "")


def _spot_grant(account: Account, arn: str) -> bool | Unknown:
    seen = account.ask("kms", "list_grants", KeyId=arn)
    if isinstance(seen, Unknown):
        return seen
    owners = (str(grant.get("GranteePrincipal", "")) for grant in seen["Grants"])
    return any(owner.endswith(f"/{SPOT_ROLE}") for owner in owners)
