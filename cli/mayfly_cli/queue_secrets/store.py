"""Reads and writes secrets in Parameter Store.

Sources: Systems Manager API reference, PutParameter ("Parameter Store doesn't support changing a
parameter type", tiers), GetParameters (ten names a call); user guide, "Managing parameter tiers":
4 KB in the standard tier, 8 KB in the advanced tier, which costs money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

STANDARD, ADVANCED = 4096, 8192
"""Bytes of a value in each tier."""
_A_CALL = 10
Kind = Literal["String", "SecureString"]
SECURE = "SecureString"


@dataclass(frozen=True, slots=True)
class Secret:
    """A parameter as Parameter Store has it."""

    name: str
    value: str = field(repr=False)
    """Encrypted, where it was read without the right to decrypt."""
    version: int
    kind: str
    changed: datetime | None = None


class SecretStore:
    """The parameters of a queue's secrets, under one KMS key.

    Every method raises boto3's errors.
    """

    def __init__(self, client: SSMClient, key: str) -> None:
        self._client = client
        self._key = key

    def read(self, names: Iterable[str], *, decrypted: bool) -> Mapping[str, Secret]:
        """Those of the parameters that exist, by name."""
        wanted = list(names)
        found: dict[str, Secret] = {}
        for at in range(0, len(wanted), _A_CALL):
            answer = self._client.get_parameters(
                Names=wanted[at : at + _A_CALL], WithDecryption=decrypted
            )
            found |= {each["Name"]: _secret(each) for each in answer["Parameters"]}
        return found

    def below(self, path: str) -> Sequence[Secret]:
        """Every parameter below the folder, sorted; SecureStrings stay encrypted."""
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=path, Recursive=True, WithDecryption=False
        )
        found = [_secret(each) for page in pages for each in page["Parameters"]]
        return sorted(found, key=lambda each: each.name)

    def put(self, name: str, value: str, *, over: bool, kind: Kind = "SecureString") -> int:
        """Write a value; returns its version. `over` replaces what is there, and only then.

        A value above 4 KB goes into the advanced tier. Otherwise the tier is not named, so that an
        advanced parameter stays one: it cannot go back.
        """
        more: dict[str, Any] = {}
        if kind == SECURE and self._key:
            more["KeyId"] = self._key
        if len(value.encode()) > STANDARD:
            more["Tier"] = "Advanced"
        answer = self._client.put_parameter(
            Name=name, Value=value, Type=kind, Overwrite=over, **more
        )
        return int(answer["Version"])

    def delete(self, names: Sequence[str]) -> None:
        """Delete the parameters, at most ten; those that do not exist are no error."""
        self._client.delete_parameters(Names=list(names))

    @property
    def exists_already(self) -> type[Exception]:
        """The error of `put` without `over`, where the parameter exists."""
        return self._client.exceptions.ParameterAlreadyExists


def _secret(shown: Mapping[str, Any]) -> Secret:
    changed = shown.get("LastModifiedDate")
    return Secret(
        name=str(shown["Name"]),
        value=str(shown.get("Value", "")),
        version=int(shown.get("Version", 0)),
        kind=str(shown.get("Type", "String")),
        changed=changed.astimezone(UTC) if isinstance(changed, datetime) else None,
    )
