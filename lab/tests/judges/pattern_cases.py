"""Patterns, events and whether they match: arrays, keys with dots, and the kinds of comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PAIR = {"detail": {"name": ["a"], "state": ["on"]}}

PATTERN_CASES: Mapping[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "a text": ({"source": ["a"]}, {"source": "a"}, True),
    "another text": ({"source": ["a"]}, {"source": "A"}, False),
    "one of several texts": ({"source": ["a", "b"]}, {"source": "b"}, True),
    "an array with the text": ({"source": ["a"]}, {"source": ["b", "a"]}, True),
    "an array in an array": ({"source": ["a"]}, {"source": [["b"], ["a"]]}, True),
    "an empty array": ({"source": ["a"]}, {"source": []}, False),
    "null": ({"source": ["a"]}, {"source": None}, False),
    "null that is wanted": ({"source": [None]}, {"source": None}, True),
    "a missing field": ({"source": ["a"]}, {"other": "a"}, False),
    "a number for a text": ({"source": ["1"]}, {"source": 1}, False),
    "a key with dots": (_PAIR, {"detail.name": "a", "detail.state": "on"}, True),
    "an object in an array": (_PAIR, {"detail": [{"name": "a", "state": "on"}]}, True),
    "fields of two objects": (_PAIR, {"detail": [{"name": "a"}, {"state": "on"}]}, False),
    "fields of the second object": (
        _PAIR,
        {"detail": [{"name": "b", "state": "on"}, {"name": "a", "state": "on"}]},
        True,
    ),
    "fields of an object and an array": (
        {"detail": {"name": ["a"], "tags": {"key": ["k"]}}},
        {"detail": {"name": "a", "tags": [{"key": "j"}, {"key": "k"}]}},
        True,
    ),
    "a prefix": ({"source": [{"prefix": "/a/"}]}, {"source": "/a/b"}, True),
    "half a prefix": ({"source": [{"prefix": "/a/"}]}, {"source": "/a"}, False),
    "a prefix of an array's text": ({"source": [{"prefix": "a"}]}, {"source": ["b", "ab"]}, True),
    "a field that must exist": ({"source": [{"exists": True}]}, {"source": ""}, True),
    "a field that must be absent": ({"source": [{"exists": False}]}, {"other": 1}, True),
    "anything but a text": ({"source": [{"anything-but": "a"}]}, {"source": "b"}, True),
    "anything but this text": ({"source": [{"anything-but": "a"}]}, {"source": "a"}, False),
}
