"""Reads and writes the parameters of a stack, with the versions that tell of other writers.

SSM's PutParameter has no condition on a version. So a write reads the version again just before
it, and looks at the version that SSM answers: a change in between is told in either case. Only
the first write of a parameter is conditional, because SSM refuses it where one exists. botocore
repeats a write whose answer was lost, and then finds the value that the write itself left.
Source: API reference of Systems Manager, PutParameter (`Overwrite`, `Version`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mayfly.answers import Parameter
from mayfly.config.problem import printable
from mayfly_cli.ends import UsageError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

LONGEST = 4096
"""Bytes of a standard parameter's value. Source: AWS General Reference, Systems Manager quotas."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A parameter as SSM has it."""

    value: str
    version: int
    kind: str = "String"
    changed: datetime | None = None
    who: str = ""
    """ARN of the last writer; empty outside the history, because only the history has writers."""

    @property
    def readable(self) -> Parameter:
        """The parameter as Mayfly reads it."""
        return Parameter(self.value, self.version, kind=self.kind)

    def shown(self, most: int) -> str:
        """The value in one line of at most `most` characters, without possible secrets."""
        return f"a {self.kind}" if self.kind == "SecureString" else printable(self.value, most)


class StackParameters:
    """The parameters below `/mayfly/STACK/`."""

    def __init__(self, client: SSMClient, stack: str) -> None:
        self._client = client
        self._root = f"/mayfly/{stack}"

    def all(self) -> Mapping[str, Stored]:
        """Every parameter by its whole name. A SecureString's value stays encrypted."""
        return self._below(self._root)

    def of_queue(self, queue: str) -> dict[str, Stored]:
        """The queue's parameters by their names below its path."""
        prefix = self.path(queue, "")
        found = self._below(prefix.rstrip("/"))
        return {name.removeprefix(prefix): stored for name, stored in found.items()}

    def path(self, queue: str, name: str) -> str:
        """The parameter's whole name."""
        return f"{self._root}/queues/{queue}/{name}"

    def one(self, queue: str, name: str) -> Stored | None:
        """The parameter; None if it does not exist."""
        return self.at(self.path(queue, name))

    def at(self, path: str) -> Stored | None:
        """The parameter of this whole name; None if it does not exist."""
        try:
            answer = self._client.get_parameter(Name=path)
        except self._client.exceptions.ParameterNotFound:
            return None
        return _stored(answer["Parameter"])

    def history(self, queue: str, name: str) -> list[Stored]:
        """The versions that SSM keeps, the oldest first; none of a parameter that was deleted."""
        pages = self._client.get_paginator("get_parameter_history").paginate(
            Name=self.path(queue, name)
        )
        try:
            return [_stored(each) for page in pages for each in page["Parameters"]]
        except self._client.exceptions.ParameterNotFound:
            return []

    def put(self, queue: str, name: str, value: str, known: Stored | None) -> int:
        """Write the value over the known one; returns the parameter's new version.

        Raises UsageError if somebody else has changed the parameter since it was read.
        """
        path = self.path(queue, name)
        self._unchanged(path, name, known)
        try:
            answer = self._client.put_parameter(
                Name=path, Value=value, Type="String", Overwrite=known is not None
            )
        except self._client.exceptions.ParameterAlreadyExists as error:
            present = self.one(queue, name)
            if present is None or present.value != value:
                raise UsageError(_changed(name, known, present)) from error
            return present.version
        return int(answer["Version"])

    def delete(self, queue: str, name: str, known: Stored) -> None:
        """Delete the parameter. Raises UsageError if somebody has changed the parameter since."""
        self._delete(self.path(queue, name), name, known)

    def remove(self, path: str, known: Stored) -> None:
        """As `delete`, by the parameter's whole name."""
        self._delete(path, path, known)

    def _delete(self, path: str, name: str, known: Stored) -> None:
        self._unchanged(path, name, known)
        # Gone already: by a call whose answer was lost, or by somebody who wanted the same.
        with contextlib.suppress(self._client.exceptions.ParameterNotFound):
            self._client.delete_parameter(Name=path)

    def _below(self, path: str) -> dict[str, Stored]:
        """The parameters below the path by their whole names."""
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=path, Recursive=True
        )
        return {each["Name"]: _stored(each) for page in pages for each in page["Parameters"]}

    def _unchanged(self, path: str, name: str, known: Stored | None) -> None:
        present = self.at(path)
        versions = [None if each is None else each.version for each in (known, present)]
        if versions[0] != versions[1]:
            raise UsageError(_changed(name, known, present))


def _changed(name: str, known: Stored | None, present: Stored | None) -> str:
    before, now = (
        "no value" if each is None else f'"{each.shown(200)}"' for each in (known, present)
    )
    return (
        f"somebody else has changed {name} from {before} to {now} since it was read, so nothing "
        "was written"
    )


def _stored(shown: Mapping[str, Any]) -> Stored:
    changed = shown.get("LastModifiedDate")
    return Stored(
        value=str(shown.get("Value", "")),
        version=int(shown.get("Version", 0)),
        kind=str(shown.get("Type", "String")),
        changed=changed.astimezone(UTC) if isinstance(changed, datetime) else None,
        who=str(shown.get("LastModifiedUser", "")),
    )
