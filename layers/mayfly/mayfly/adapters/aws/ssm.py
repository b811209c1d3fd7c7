"""The Parameters port over SSM, and the one secret that Mayfly keeps there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated
from mayfly.answers import Parameter
from mayfly.batched import batched
from mayfly.errors import Misconfigured, NotFound
from mayfly.scrubbing import hide

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


_NAMES_AT_ONCE = 10
"""SSM's limit, for names in a call and for parameters in a page."""


class SsmParameters:
    """Implements `mayfly.ports.Parameters`. Nothing is decrypted."""

    def __init__(self, client: SSMClient) -> None:
        self._client = client

    def under(self, path: str) -> Mapping[str, Parameter]:
        """See `mayfly.ports.Parameters`."""
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=path.rstrip("/"), Recursive=True, PaginationConfig={"PageSize": _NAMES_AT_ONCE}
        )
        # A page may be empty and still not be the last; the paginator goes by the token alone.
        with translated():
            return {
                kept["Name"]: Parameter(kept["Value"], kept["Version"])
                for page in pages
                for kept in page["Parameters"]
            }

    def values(self, names: Collection[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Parameters`."""
        distinct = list(dict.fromkeys(names))
        values: dict[str, str] = {}
        for some in batched(distinct, _NAMES_AT_ONCE):
            with translated():
                answer = self._client.get_parameters(Names=some)
            values.update((kept["Name"], kept["Value"]) for kept in answer["Parameters"])
        return values


class Secret:
    """A SecureString in memory; safe between threads, and its value is in no representation.

    It is read again when it is `OLD`, so that a replaced one is found; and after it was refused,
    but then not more often than `PATIENCE` allows, for the refusal may last.
    """

    OLD = 300.0
    PATIENCE = 15.0
    """Both in seconds."""

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
        """The secret. Raises Misconfigured when it does not exist, is empty or not readable."""
        with self._lock:
            age = self._clock() - self._read_at
            if not self._value or age > (self.PATIENCE if self._refused else self.OLD):
                self._value = self._read()
                self._read_at = self._clock()
                self._refused = False
            return self._value

    def refused(self) -> None:
        """The other side does not take it: look whether there is a new one."""
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
