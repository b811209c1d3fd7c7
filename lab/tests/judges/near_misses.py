"""Events that differ from a given event in one place, so that a rule nearly matches them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Event = dict[str, Any]
Path = tuple[str, ...]


def near_misses(event: Event, values: frozenset[str]) -> Iterator[tuple[str, Event]]:
    """Each near miss with its description; `values` are texts that patterns name."""
    for path, value in _places(event):
        where = ".".join(path)
        yield f"without {where}", _changed(event, path, remove=True)
        for name, other in _others(value, values):
            yield f"{where} {name}", _changed(event, path, other)
        yield f"{where} in upper case", _renamed(event, path, path[-1].upper())
        yield f"{where} one level up", _moved(event, path)
        if len(path) > 1:
            flat = {k: v for k, v in event.items() if k != path[0]}
            yield f"{where} as one key", {**flat, where: value}


def _places(node: Event, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, value in node.items():
        yield (*above, key), value
        if isinstance(value, dict):
            yield from _places(value, (*above, key))


def _others(value: Any, values: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Values in place of this one, and what they are."""
    yield "is null", None
    yield "is empty", ""
    yield "is a number", 1
    yield "is true", True
    yield "is an empty object", {}
    yield "is an empty array", []
    yield "in an array", [value]
    yield "in an array in an array", [[value]]
    yield "last in an array", ["other", None, 1, {}, value]
    yield "in an object", {"value": value}
    yield "in an object in an array", [{"other": 1}, {"value": value}]
    if isinstance(value, str):
        yield from _texts(value, values)
    if isinstance(value, dict):
        yield "split over an array", [{key: each} for key, each in value.items()]
        yield "as text", str(value)


def _texts(value: str, values: frozenset[str]) -> Iterator[tuple[str, str]]:
    yield "in upper case", value.upper()
    yield "in lower case", value.lower()
    yield "cut at its end", value[:-1]
    yield "cut at its start", value[1:]
    yield "longer at its end", f"{value}x"
    yield "longer at its start", f"x{value}"
    yield "with a space", f" {value}"
    yield "with a newline", f"{value}\n"
    yield "with an accent", f"{value}\u0301"
    for each in sorted(values - {value}):
        yield f"is {each!r}", each


def _changed(event: Event, path: Path, value: Any = None, *, remove: bool = False) -> Event:
    new = copy.deepcopy(event)
    parent = _parent(new, path)
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return new


def _renamed(event: Event, path: Path, name: str) -> Event:
    new = copy.deepcopy(event)
    parent = _parent(new, path)
    parent[name] = parent.pop(path[-1])
    return new


def _moved(event: Event, path: Path) -> Event:
    """The place one level higher; a place at the top goes into `detail`."""
    new = copy.deepcopy(event)
    value = _parent(new, path).pop(path[-1])
    target = _parent(new, path[:-1]) if len(path) > 1 else new.setdefault("detail", {})
    if isinstance(target, dict):
        target[path[-1]] = value
    return new


def _parent(event: Event, path: Path) -> Event:
    for key in path[:-1]:
        event = event[key]
    return event
