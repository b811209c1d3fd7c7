"""Which function answers which call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from buildkite_emulator.memory.store import Store

from .faults import Faults
from .http import Request, Response
from .limits import RateLimits
from .refusals import RefusedError, not_found

_PARAMETER = re.compile(r":([a-z_]+)")
_REST = re.compile(r"\*([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One request with all that its endpoint may use. The store's lock is held."""

    store: Store
    faults: Faults
    limits: RateLimits
    request: Request
    parameters: Mapping[str, str]
    """What the path's placeholders stood for."""
    now: datetime


Endpoint = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    method: str
    path: str
    """With `:name` for each placeholder, and `*name` for one that takes slashes too."""
    name: str
    """`<api>.<call>`, by which fault switches know it."""
    endpoint: Endpoint
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = _REST.sub(r"(?P<\1>.+)", _PARAMETER.sub(r"(?P<\1>[^/]+)", self.path))
        object.__setattr__(self, "pattern", re.compile(pattern))


class Routes:
    """All endpoints."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)

    @property
    def names(self) -> frozenset[str]:
        """The names of all endpoints."""
        return frozenset(route.name for route in self._routes)

    def find(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        """The route for a request and what its placeholders stand for.

        Raises:
            RefusedError: 404 for an unknown path, 405 for a path that takes other methods.
        """
        found = None
        for route in self._routes:
            match = route.pattern.fullmatch(request.path)
            if match and route.method == request.method:
                return route, match.groupdict()
            found = found or match
        if found:
            raise RefusedError(405, f"{request.method} is not allowed here")
        raise not_found("such endpoint")
