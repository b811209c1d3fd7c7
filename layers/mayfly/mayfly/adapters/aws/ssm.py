"""The Parameters port over SSM, and the agent token, Mayfly's only secret there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.elements import UNREADABLE, Elements, string, text
from mayfly.answers import Parameter, ParameterVersion
from mayfly.batched import batched
from mayfly.errors import Misconfigured, NotFound, Transient
from mayfly.scrubbing import hide
from mayfly_protocol.moments import checked

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


_NAMES_AT_ONCE = 10
"""SSM's limit for names in a call and for parameters in a page."""


class SsmParameters:
    """Implements `mayfly.ports.Parameters`. No SecureString is decrypted."""

    def __init__(self, client: SSMClient) -> None:
        self._client = client
        self._elements = Elements()

    def under(self, path: str) -> Mapping[str, Parameter]:
        """See `mayfly.ports.Parameters`."""
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=path.rstrip("/"), Recursive=True, PaginationConfig={"PageSize": _NAMES_AT_ONCE}
        )
        # An empty page need not be the last; the paginator stops only at a missing token.
        with translated():
            kept = [each for page in pages for each in page.get("Parameters") or ()]
        found: dict[str, Parameter] = {}
        for each in kept:
            # A parameter that is left out would read as its default: no restriction, for a policy.
            if not (name := text(each, "Name")):
                raise Transient(f"SSM names no parameter in its answer for {path}")
            found[name] = self._parameter(name, each)
        return found

    def _parameter(self, name: str, kept: Mapping[str, Any]) -> Parameter:
        """The parameter; an unreadable value reads as empty text, which no policy allows."""
        try:
            value, version = kept["Value"], kept["Version"]
            if not isinstance(value, str) or not isinstance(version, int):
                raise TypeError("a value is text and a version a number")
        except UNREADABLE as error:
            self._elements.note(f"parameter {name}", error)
            return Parameter("", 0)
        modified = kept.get("LastModifiedDate")
        when = modified if isinstance(modified, datetime) else None
        return Parameter(value, version, when, text(kept, "Type") or "String")

    def history(self, name: str) -> Sequence[ParameterVersion]:
        """See `mayfly.ports.Parameters`. SSM keeps 100 versions and has 50 in a page."""
        pages = self._client.get_paginator("get_parameter_history").paginate(Name=name)
        with translated():
            kept = [each for page in pages for each in page.get("Parameters") or ()]
        found = self._elements.read("version of a parameter", kept, _version, name="Name")
        return sorted(found, key=lambda each: each.number)

    def values(self, names: Collection[str]) -> Mapping[str, Parameter | None]:
        """See `mayfly.ports.Parameters`."""
        distinct = list(dict.fromkeys(names))
        values: dict[str, Parameter | None] = {}
        for batch in batched(distinct, _NAMES_AT_ONCE):
            with translated():
                answer = self._client.get_parameters(Names=batch)
            values.update(dict.fromkeys(answer.get("InvalidParameters") or ()))
            kept = answer.get("Parameters") or ()
            values.update(self._elements.read("parameter", kept, _value, name="Name"))
        return values


def _version(kept: Mapping[str, Any]) -> ParameterVersion:
    value, number = kept["Value"], kept["Version"]
    if not isinstance(value, str) or not isinstance(number, int):
        raise TypeError("a value is text and a version a number")
    return ParameterVersion(
        number, value, checked(kept["LastModifiedDate"]), text(kept, "LastModifiedUser")
    )


def _value(kept: Mapping[str, Any]) -> tuple[str, Parameter]:
    value, version = kept["Value"], kept.get("Version")
    if not isinstance(value, str):
        raise TypeError("a parameter's value is text")
    kind = text(kept, "Type") or "String"
    number = version if isinstance(version, int) else 0
    return string(kept["Name"]), Parameter(value, number, kind=kind)


class Secret:
    """A SecureString in memory. Thread-safe; no representation of the object shows the value.

    The parameter is read again after `OLD` seconds, so a replaced secret is found; and after a
    refusal, but at most once in `PATIENCE` seconds, because the refusal may last.
    """

    OLD = 300.0
    """Seconds."""
    PATIENCE = 15.0
    """Seconds."""

    def __init__(
        self, client: SSMClient, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._value = ""
        self._read_at = 0.0
        self._refused = False

    def value(self) -> str:
        """The secret. Raises Misconfigured for a missing, empty or unreadable parameter."""
        with self._lock:
            age = self._clock() - self._read_at
            if not self._value or age > (self.PATIENCE if self._refused else self.OLD):
                self._value = self._read()
                self._read_at = self._clock()
                self._refused = False
            return self._value

    def refused(self) -> None:
        """Note that the secret was refused: `value` then looks for a new one."""
        with self._lock:
            self._refused = True

    def _read(self) -> str:
        try:
            with translated():
                answer = self._client.get_parameter(Name=self._name, WithDecryption=True)
        except NotFound as error:
            raise Misconfigured(f"the parameter {self._name} does not exist") from error
        value = answer["Parameter"]["Value"].strip()
        if not value:
            raise Misconfigured(f"the parameter {self._name} is empty")
        hide(value)
        return value
