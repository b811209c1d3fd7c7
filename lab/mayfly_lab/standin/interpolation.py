r"""Interpolates variables in an uploaded pipeline, as buildkite/interpolate does.

`$NAME`, `${NAME}`, `${NAME:-text}`, `${NAME-text}`, `${NAME:?text}`, `${NAME?text}`,
`${NAME:offset}`, `${NAME:offset:length}`; `$$` and `\$` stand for a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"(?P<escape>\\\$|\$\$)"
    r"|\$(?P<plain>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"(?P<how>:-|-|:\?|\?|:)?(?P<rest>(?:[^{}]|\$\{[^{}]*\})*)\}"
)


class InterpolationError(Exception):
    """A required variable is missing, or an expression is not supported."""


def filled(content: Any, env: Mapping[str, str]) -> Any:
    """The content with all variables in its strings, keys included, interpolated.

    Raises:
        InterpolationError: a required variable is missing, or an expression is not supported.
    """
    if isinstance(content, str):
        return text(content, env)
    if isinstance(content, list):
        return [filled(each, env) for each in content]
    if isinstance(content, dict):
        return {filled(key, env): filled(value, env) for key, value in content.items()}
    return content


def text(content: str, env: Mapping[str, str]) -> str:
    """One string with its variables interpolated. Raises InterpolationError as `filled`."""

    def value(match: re.Match[str]) -> str:
        if match["escape"]:
            return "$"
        if match["plain"]:
            return env.get(match["plain"], "")
        return _expanded(match, env)

    return _TOKEN.sub(value, content)


def _expanded(match: re.Match[str], env: Mapping[str, str]) -> str:
    name, how, rest = match["name"], match["how"] or "", match["rest"]
    held = env.get(name)
    if how.endswith(("-", "?")):
        is_there = bool(held) if how.startswith(":") else held is not None
        if is_there:
            return held or ""
        if how.endswith("-"):
            return text(rest, env)
        raise InterpolationError(f"${name}: {text(rest, env) or 'not set'}")
    if how == ":":
        return _part(held or "", rest, name)
    if rest:
        raise InterpolationError(f"${{{name}{rest}}} is not a supported expression")
    return held or ""


def _part(value: str, rest: str, name: str) -> str:
    offset, _, length = rest.partition(":")
    try:
        begin = int(offset)
        begin = max(len(value) + begin, 0) if begin < 0 else begin
        return value[begin:] if not length else value[begin : begin + int(length)]
    except ValueError:
        raise InterpolationError(f"${{{name}:{rest}}} is not a supported expression") from None
