"""Reads of a job's secrets from Parameter Store: whole folders and named parameters, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, TypeVar

from mayfly_instance.aws import AwsError, Page, Parameter
from mayfly_instance.clock import Clock
from mayfly_instance.ports import Cloud
from mayfly_instance.retries import retry
from mayfly_instance.sigv4 import Credentials

MOST_PAGES = 100
"""Pages of one folder, of ten parameters at most: a job waits for one after the other."""
MOST_BYTES = 1024 * 1024
"""Bytes of one folder's values. A program's variables and arguments have about 2 MB together
(execve(2), "Limits on size of arguments and environment")."""
_AT_ONCE = 10
"""Names in one call. Source: SSM API reference, GetParameters."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Reader:
    """Reads with one connection, for one thread. All methods raise AwsError."""

    cloud: Cloud
    credentials: Credentials
    clock: Clock
    patience: float
    """Seconds for which a call is tried again, after throttling say."""

    def folder(self, path: str) -> Sequence[Parameter]:
        """All parameters at any depth below the path.

        Raises AwsError for a folder with more than MOST_PAGES pages or MOST_BYTES bytes.
        """
        found: list[Parameter] = []
        mark = ""
        for _ in range(MOST_PAGES):
            page = self._page(path, mark)
            found += page.parameters
            if sum(len(each.value.encode("utf-8", "replace")) for each in found) > MOST_BYTES:
                raise AwsError(f"ssm: {path} has more than {MOST_BYTES // 1024} KB of values")
            mark = page.following
            if not mark:
                return found
        raise AwsError(f"ssm: {path} has more than {MOST_PAGES} pages of parameters")

    def named(self, names: Sequence[str]) -> Sequence[Parameter]:
        """Those of the named parameters that exist."""
        parts = [names[first : first + _AT_ONCE] for first in range(0, len(names), _AT_ONCE)]
        return [each for part in parts for each in self._part(part)]

    def _page(self, path: str, mark: str) -> Page:
        return self._patiently(lambda: self.cloud.parameters_below(self.credentials, path, mark))

    def _part(self, names: Sequence[str]) -> Sequence[Parameter]:
        return self._patiently(lambda: self.cloud.parameters_named(self.credentials, names))

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        return retry(call, self.clock, self.patience)
