"""Whether two texts with wildcards can stand for a same text."""

from __future__ import annotations

import re
from functools import cache

_VARIABLE = re.compile(r"\$\{[^}]*\}")


def pattern(text: str) -> str:
    """The text with each variable, as `${AccountId}` or `${aws:userid}`, as the wildcard `*`."""
    return _VARIABLE.sub("*", text)


@cache
def overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns, of `*`, `?` and letters."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])


def arns_overlap(one: str, other: str) -> bool:
    """Whether some ARN matches both patterns; no wildcard spans a colon before the last part."""
    if "*" in {one, other}:
        return True
    parts = [(each.split(":", 5) + ["*"] * 6)[:6] for each in (one, other)]
    return all(overlap(*pair) for pair in zip(*parts, strict=True))
