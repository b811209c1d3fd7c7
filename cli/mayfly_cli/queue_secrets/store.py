"""Reads and writes secrets in Parameter Store.

Whether a parameter exists, and since when, is asked of DescribeParameters, which gives no values:
who may write secrets need not read them, and GetParameters without decryption is the same right as
with it.

Sources: Systems Manager API reference, PutParameter ("Parameter Store doesn't support changing a
parameter type", tiers), GetParameters (ten names a call); user guide, "Managing parameter tiers":
4 KB in the standard tier, 8 KB in the advanced tier, which costs money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

STANDARD, ADVANCED = 4096, 8192
"""Bytes of a value in each tier."""
_A_CALL = 10
_A_FILTER = 50
ParameterKind = Literal["String", "SecureString"]
SECURE: Literal["SecureString"] = "SecureString"


@dataclass(frozen=True, slots=True)
class Known:
    """What Parameter Store tells of a parameter without its value."""

    name: str
    version: int
    kind: str
    changed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A parameter with its value."""

    name: str
    value: str = field(repr=False)
    kind: str


class SecretStore:
    """The parameters of a queue's secrets, under one KMS key.

    Every method raises boto3's errors.
    """

    def __init__(self, client: SSMClient, key: str) -> None:
        self._client = client
        self._key = key

    def known(self, names: Sequence[str]) -> Mapping[str, Known]:
        """Those of the parameters that exist, by name. No right to read a value is needed."""
        found: dict[str, Known] = {}
        for at in range(0, len(names), _A_FILTER):
            some = list(names[at : at + _A_FILTER])
            found |= self._described({"Key": "Name", "Option": "Equals", "Values": some})
        return found

    def below(self, path: str) -> Mapping[str, Known]:
        """Every parameter below the folder, by name."""
        return self._described({"Key": "Path", "Option": "Recursive", "Values": [path]})

    def read(self, names: Sequence[str], *, decrypted: bool) -> Mapping[str, Secret]:
        """Those of the parameters that exist, by name, with their values."""
        found: dict[str, Secret] = {}
        for at in range(0, len(names), _A_CALL):
            answer = self._client.get_parameters(
                Names=list(names[at : at + _A_CALL]), WithDecryption=decrypted
            )
            found |= {
                each["Name"]: Secret(each["Name"], each["Value"], each["Type"])
                for each in answer["Parameters"]
            }
        return found

    def put(self, name: str, value: str, *, over: bool, kind: ParameterKind = SECURE) -> int:
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

    def _described(self, wanted: Any) -> dict[str, Known]:
        pages = self._client.get_paginator("describe_parameters").paginate(
            ParameterFilters=[wanted]
        )
        return {each["Name"]: _known(each) for page in pages for each in page["Parameters"]}


def _known(shown: Mapping[str, Any]) -> Known:
    changed = shown.get("LastModifiedDate")
    return Known(
        name=str(shown["Name"]),
        version=int(shown.get("Version", 0)),
        kind=str(shown.get("Type", "String")),
        changed=changed.astimezone(UTC) if isinstance(changed, datetime) else None,
    )
