"""Event patterns, as EventBridge and Lambda's filters match them.

moto compares an event's fields, but does not look into arrays of arrays and of objects. AWS's Event
Ruler does: one element of each array at a time, so that two fields of a pattern must match in the
same element (aws/event-ruler, README, "JSON Array Matching").

One fault of moto stays: true matches a pattern's 1, and false its 0. Mayfly's patterns have texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from moto.events.models import EventPattern


def matches(pattern: EventPattern, event: Mapping[str, Any]) -> bool:
    """Whether the pattern matches the event; an empty pattern matches everything."""
    names = frozenset(_names(pattern.get_pattern()))
    return any(pattern.matches_event(each) for each in _readings(dict(event), names))


def _names(node: Any) -> Iterator[str]:
    """All keys of a pattern, at any depth."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key
            yield from _names(value)
    elif isinstance(node, list):
        for each in node:
            yield from _names(each)


def _readings(node: Any, names: frozenset[str]) -> Iterator[Any]:
    """The node with one element of each array in the array's place; an empty array has none.

    Fields that the pattern does not name are left out: they cannot matter, and each of their arrays
    would multiply the readings.
    """
    if isinstance(node, list):
        for each in node:
            yield from _readings(each, names)
    elif isinstance(node, Mapping):
        # A key with dots names a path, to moto as to Event Ruler.
        kept = [key for key in node if not names.isdisjoint(key.split("."))]
        fields: list[list[tuple[str, Any] | None]] = [
            [(key, each) for each in _readings(node[key], names)] or [None] for key in kept
        ]
        for chosen in product(*fields):
            yield dict(pair for pair in chosen if pair is not None)
    else:
        yield node
