"""Interpolation of `$VAR` and its other forms in a pipeline, by the agent's rules.

Source: buildkite/docs agent/cli/reference/pipeline.md, "Environment variable substitution", and the
grammar of buildkite/interpolate v0.1.4; compared with the output of buildkite-agent 3.83.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .sections import PipelineError, Section

_IDENTIFIER = re.compile(r"[^\W\d_]\w*")
MAX_TEXT = 2**20
"""Characters of one interpolated text: variables that double each other would fill the memory."""
MAX_DEPTH = 50
"""Levels of defaults within defaults, as in `${A:-${B:-c}}`."""
Variables = Mapping[str, str]


def interpolate(text: str, variables: Variables) -> str:
    """The text with its variables interpolated; an unset variable is empty.

    Raises:
        PipelineError: the syntax is invalid, or the text requires an unset variable.
    """
    return _Scanner(text, variables).expression("")


def interpolate_all(content: Any, variables: Variables) -> Any:
    """A copy of `content` with every key and string interpolated; sections keep their lines.

    Raises:
        PipelineError: interpolation failed; with the line of the attribute.
    """
    if isinstance(content, Section):
        return interpolate_section(content, variables)
    if isinstance(content, list):
        return [interpolate_all(entry, variables) for entry in content]
    return interpolate(content, variables) if isinstance(content, str) else content


def interpolate_section(section: Section, variables: Variables) -> Section:
    """A copy of the section with every key and string interpolated, and with its lines.

    Raises:
        PipelineError: interpolation failed; with the line of the attribute.
    """
    filled = Section(line=section.line)
    for key, value in section.items():
        line = section.lines.get(key, section.line)
        try:
            filled.put(interpolate(key, variables), interpolate_all(value, variables), line)
        except PipelineError as error:
            raise error if error.line else PipelineError(error.words, line) from None
    return filled


class _Scanner:
    """Scans one text from left to right."""

    def __init__(self, text: str, variables: Variables) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._variables = variables

    def expression(self, stop: str) -> str:
        """The interpolated text up to the stop character, or to the end."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PipelineError(f"Variables are nested deeper than {MAX_DEPTH} levels")
        parts: list[str] = []
        length = 0
        while self._at < len(self._text) and (not stop or self._text[self._at] != stop):
            parts.append(self._item())
            length += len(parts[-1])
            if length > MAX_TEXT:
                raise PipelineError(f"An interpolated text is longer than {MAX_TEXT} characters")
        self._depth -= 1
        return "".join(parts)

    def _item(self) -> str:
        for start, meaning in (("\\\\", "\\\\"), ("\\$", "$"), ("$$", "$"), ("$(", "$(")):
            if self._text.startswith(start, self._at):
                self._at += 2
                return meaning
        character = self._text[self._at]
        self._at += 1
        if character != "$" or self._at == len(self._text):
            return character
        if self._text[self._at] == "{":
            self._at += 1
            return self._braces()
        return self._variables.get(self._identifier(), "")

    def _identifier(self) -> str:
        match = _IDENTIFIER.match(self._text, self._at)
        if match is None:
            got = self._text[self._at : self._at + 1]
            raise PipelineError(f"Expected identifier to start with a letter, got {got}")
        self._at = match.end()
        return match[0]

    def _braces(self) -> str:
        name = self._identifier()
        value = self._variables.get(name)
        if self._accept("}"):
            return value or ""
        if self._accept(":-"):
            # The default is scanned even if unused, to reach the text after it.
            content = self.expression("}")
            filled = value or content
        elif self._accept("-"):
            content = self.expression("}")
            filled = content if value is None else value
        elif self._accept(":"):
            filled = self._substring(value or "")
        elif self._accept("?"):
            content = self.expression("}")
            if value is None:
                raise PipelineError(f"${name}: {content or 'not set'}")
            filled = value
        else:
            found = self._text[self._at : self._at + 1] or "the end of the text"
            raise PipelineError(f"Expected an operator, got {found}")
        if not self._accept("}"):
            raise PipelineError("Expected brace expansion to end with }")
        return filled

    def _substring(self, value: str) -> str:
        end = self._text.find("}", self._at)
        inside = self._text[self._at : end if end >= 0 else len(self._text)]
        self._at += len(inside)
        numbers = inside.split(":", 1)
        try:
            begin, *rest = (int(number) for number in numbers)
        except ValueError:
            raise PipelineError(f"Unable to parse offset or length: {inside!r}") from None
        begin = min(max(begin + len(value) if begin < 0 else begin, 0), len(value))
        if not rest:
            return value[begin:]
        [length] = rest
        return value[begin : max(begin, length + (begin if length >= 0 else len(value)))]

    def _accept(self, expected: str) -> bool:
        if not self._text.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True
