"""Routing of calls to endpoint functions."""

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
_PATH_TAIL = re.compile(r"\*([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One request with everything that its endpoint may use. The caller holds the store's lock."""

    store: Store
    faults: Faults
    limits: RateLimits
    request: Request
    parameters: Mapping[str, str]
    """Values of the path's placeholders."""
    now: datetime


Endpoint = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    method: str
    path: str
    """`:name` is a placeholder for one path segment, `*name` for several."""
    name: str
    """`<api>.<call>`, the endpoint's name for fault switches."""
    endpoint: Endpoint
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = _PATH_TAIL.sub(r"(?P<\1>.+)", _PARAMETER.sub(r"(?P<\1>[^/]+)", self.path))
        object.__setattr__(self, "pattern", re.compile(pattern))


class Routes:
    """The routes of all endpoints."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)

    @property
    def names(self) -> frozenset[str]:
        """The names of all endpoints."""
        return frozenset(route.name for route in self._routes)

    def find(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        """The route of a request, and the values of its placeholders.

        Raises:
            RefusedError: 404 for an unknown path, 405 for a known path with another method.
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
