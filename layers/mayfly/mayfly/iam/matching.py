"""Matches text by IAM's wildcards and policy variables.

Sources: IAM user guide, "IAM policy elements: Variables and tags", "IAM JSON policy elements:
Resource" and "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from mayfly.iam.request import Request

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"\s*([^,]*?)\s*,\s*'(.*)'\s*", re.DOTALL)
_LITERALS = frozenset("*?$")
"""`${*}`, `${?}` and `${$}` stand for these characters themselves."""


def like(pattern: str, value: str, request: Request) -> bool:
    """Whether the value matches the pattern; wildcards in a variable's value are literal text."""
    if "${" not in pattern:
        return _compiled(pattern).fullmatch(value) is not None
    expression = ""
    for text, literal in _parts(pattern, request):
        if text is None:
            return False
        expression += re.escape(text) if literal else _expression(text)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def equals(pattern: str, value: str, request: Request) -> bool:
    """Whether the value equals the text; variables are replaced, wildcards are literal."""
    return substituted(pattern, request) == value


def substituted(text: str, request: Request) -> str | None:
    """The text with the values of its variables; None when a variable has no value."""
    if "${" not in text:
        return text
    parts = [part for part, _ in _parts(text, request)]
    return None if None in parts else "".join(part for part in parts if part is not None)


def resource_matches(pattern: str, value: str, request: Request) -> bool:
    """Whether a resource's ARN matches; missing parts of an ARN in a policy stand for all."""
    if pattern.startswith("arn:") and (missing := 5 - pattern.count(":")) > 0:
        pattern += ":*" * missing
    return like(pattern, value, request)


def arn_matches(pattern: str, value: str, request: Request) -> bool:
    """Whether an ARN matches, compared by its six parts: no wildcard spans a colon."""
    patterns, parts = _split_arn(pattern), value.split(":", 5)
    return len(patterns) == len(parts) and all(
        like(p, part, request) for p, part in zip(patterns, parts, strict=True)
    )


def _parts(text: str, request: Request) -> Iterator[tuple[str | None, bool]]:
    """Pieces of a text, and whether each is a variable's; None for a variable without a value.

    By IAM's rules such a variable matches nothing. A key with several values gives no value, too.
    """
    for at, part in enumerate(_VARIABLE.split(text)):
        if at % 2 == 0:
            yield part, False
        elif part in _LITERALS:
            yield part, True
        else:
            stated = _DEFAULT.fullmatch(part)
            values = request.values(stated[1] if stated else part.strip())
            if values is None and stated:
                yield stated[2], True
            else:
                yield (values[0] if values is not None and len(values) == 1 else None), True


def _split_arn(pattern: str) -> list[str]:
    """The six parts of an ARN; a colon inside `${…}` does not separate."""
    hidden = _VARIABLE.sub(lambda match: match[0].replace(":", "\0"), pattern)
    return [part.replace("\0", ":") for part in hidden.split(":", 5)]


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_expression(pattern), re.DOTALL)


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
