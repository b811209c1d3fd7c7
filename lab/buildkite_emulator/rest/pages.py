"""Pagination of long lists (buildkite/docs pages/apis/rest_api.md, "Pagination")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import bad_request
from buildkite_emulator.serving.routing import Call

PER_PAGE, MAX_PER_PAGE = 30, 100


def paged(call: Call, every: Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, str]]:
    """The entries of the requested page, and its Link header."""
    page = _number(call, "page", 1)
    size = min(_number(call, "per_page", PER_PAGE), MAX_PER_PAGE)
    last = max(1, -(-len(every) // size))
    links = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
    away = {
        name: number
        for name, number in links.items()
        if number != page and 1 <= number <= last and last > 1
    }
    header = ", ".join(f'<{_url(call, number)}>; rel="{name}"' for name, number in away.items())
    return every[(page - 1) * size : page * size], {"Link": header} if header else {}


def listed(shapes: Sequence[Any], headers: Mapping[str, str]) -> Response:
    """A page's response."""
    return json_response(list(shapes), headers=headers)


def _number(call: Call, name: str, default: int) -> int:
    given = call.request.query.get(name, str(default))
    if not given.isdigit() or int(given) < 1:
        raise bad_request(f"{name} must be a positive integer")
    return int(given)


def _url(call: Call, page: int) -> str:
    host = call.request.headers.get("host", "localhost")
    query = urlencode({**call.request.query, "page": page})
    return f"http://{host}{call.request.path}?{query}"
