"""The content of a pipeline file: mappings that know their lines, and the error of a bad one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

MAX_DEPTH = 100
"""Levels of nesting. No pipeline needs as many, and Python's own limit ends in a traceback."""

_LONGEST_PLAIN = 6
"""Power of ten from which numbers are written with an exponent."""


class PipelineError(Exception):
    """The pipeline is invalid; the message says where and why."""

    def __init__(self, words: str, line: int | None = None, place: str = "") -> None:
        self.words = words
        """The reason in Buildkite's words."""
        self.reason = f"{place}: {words}" if place else words
        self.line = line
        super().__init__(self.reason if line is None else f"line {line}: {self.reason}")


class Section(dict[str, Any]):
    """A mapping of the file with its lines; JSON has no lines."""

    def __init__(
        self, content: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), line: int | None = None
    ) -> None:
        super().__init__(content)
        self.line = line
        """The first line; None for JSON."""
        self.lines: dict[str, int] = {}
        """The line of each attribute."""

    def put(self, name: str, value: Any, line: int | None) -> None:
        """Set an attribute and its line."""
        self[name] = value
        if line is not None:
            self.lines[name] = line

    def only(self, *names: str) -> Section:
        """A copy with these attributes alone."""
        kept = Section(line=self.line)
        for name in names:
            kept.put(name, self[name], self.lines.get(name))
        return kept

    def without(self, left_out: str) -> Section:
        """A copy without this attribute."""
        return self.only(*(name for name in self if name != left_out))

    def take(self, other: Section) -> None:
        """Set the attributes of another section, with their lines."""
        for name, value in other.items():
            self.put(name, value, other.lines.get(name))


def sections(content: Any, depth: int = 0) -> Any:
    """JSON content with Sections, without lines, for its mappings.

    Raises:
        PipelineError: the content is nested too deep, or a text is not Unicode.
    """
    if depth > MAX_DEPTH:
        raise PipelineError(f"the pipeline is nested deeper than {MAX_DEPTH} levels")
    if isinstance(content, Mapping):
        return Section(
            (valid_text(str(key)), sections(value, depth + 1)) for key, value in content.items()
        )
    if isinstance(content, list):
        return [sections(entry, depth + 1) for entry in content]
    return valid_text(content) if isinstance(content, str) else content


def valid_text(text: str, line: int | None = None) -> str:
    r"""The text, unchanged.

    Raises:
        PipelineError: the text has half a surrogate pair (an escape such as `\ud800`), which can
            be neither sent nor printed.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PipelineError(f"the text {text!a} is not Unicode", line) from None
    return text


def scalar_text(value: object) -> str | None:
    """A scalar as text in the agent's notation; None for lists and mappings.

    Observed with buildkite-agent 3.83.1: null is empty, and numbers are Go's: 1.10 is `1.1`, 1.0 is
    `1`, 1.5e10 is `1.5e+10`.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _decimal(value)
    return str(value) if isinstance(value, str | int) else None


def _decimal(value: float) -> str:
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    shortest = Decimal(repr(value)).normalize()
    if -4 <= shortest.adjusted() < _LONGEST_PLAIN:
        return f"{shortest:f}"
    mantissa, _, exponent = f"{shortest:e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}"
