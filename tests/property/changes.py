"""Random changes of an answer, and a Buildkite that gives one answer."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from mayfly.adapters.buildkite.stacks import Stacks

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=5),
    st.just("\ud800"),
    st.lists(st.none() | st.text(max_size=3) | st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none() | st.integers(), max_size=2),
)


def places(element: object, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside an element; empty for the element itself."""
    yield before
    if isinstance(element, dict):
        for name, inner in element.items():
            yield from places(inner, (*before, name))
    elif isinstance(element, list | tuple):
        for number, inner in enumerate(element):
            yield from places(inner, (*before, number))


@st.composite
def changed(draw: st.DrawFn, element: Any, junk: st.SearchStrategy[Any] = JUNK) -> Any:
    """The element with one value replaced or removed, or with a further field."""
    found = copy.deepcopy(element)
    path = draw(st.sampled_from(sorted(places(found), key=repr)))
    if not path:
        return draw(junk)
    inside = found
    for step in path[:-1]:
        inside = inside[step]
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "remove" if isinstance(inside, dict):
            del inside[path[-1]]
        case "add" if isinstance(inside, dict):
            inside["a-field-of-tomorrow"] = draw(junk)
        case _ if not isinstance(inside, tuple):
            inside[path[-1]] = draw(junk)
    return found


def a_listed_job(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "priority": 1,
        "agent_query_rules": ["queue=deploy"],
        "scheduled_at": "2026-11-20T09:30:00.000Z",
        "runnable_at": None,
        "pipeline": {"slug": "web", "uuid": "u"},
        "build": {"number": 7, "branch": "main"},
        "step": {"key": "test"},
    }


@dataclass
class Calls:
    """One answer of Buildkite to every call."""

    answer: Mapping[str, Any]

    def call(self, *_: object, **__: object) -> Mapping[str, Any]:
        return self.answer


def buildkite(**answer: object) -> Stacks:
    calls: Any = Calls(answer)
    return Stacks(calls, "mayfly-test", 1000, lambda: 0.0)
